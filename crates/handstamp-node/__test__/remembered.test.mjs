// What is remembered of access tokens, and what is not: an answer that was more than the signature's is asked for anew.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { open, serve } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";

const require = createRequire(import.meta.url);
const { VerifiedTokens } = require("../lib/cache.js");

const BACKENDS = {
  "the engine": async () => open({ database: "memory:", graceWindow: 0 }),
  "a server": async () => {
    const { hostname, port } = await serve({ settings: { REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0" } });
    return open([{ hostname, port }]);
  },
};

for (const [backend, start] of Object.entries(BACKENDS)) {
  test(`a token of a refresh that came to nothing ends with its session, on ${backend}`, async () => {
    const sdk = await start();
    const made = await sdk.createNewSession("branches");
    const [lost, kept] = [await sdk.refreshSession(made.refreshToken.token), await sdk.refreshSession(made.refreshToken.token)];
    assert.notEqual(lost.refreshToken.token, kept.refreshToken.token);
    const check = ({ accessToken, antiCsrfToken }) => sdk.getSession(accessToken.token, antiCsrfToken);
    assert.notEqual((await check(kept)).accessToken, undefined);
    // It is good as long as there is the session, and never renewed: the store is asked each time.
    for (let turn = 0; turn < 2; turn++) assert.equal((await check(lost)).accessToken, undefined);
    await sdk.revokeSessionUsingSessionHandle(made.session.handle);
    await failsWith("UNAUTHORISED", check(lost));
  });
}

test("a token is remembered with the anti-CSRF token that it was verified with, and no other pair is taken for that", () => {
  const verified = new VerifiedTokens(8);
  const [session, later] = [{}, Date.now() + 60_000];
  verified.put("token", "anti", session, later);
  assert.equal(verified.get("token", "anti"), session);
  const others = [["token", undefined], ["token", ""], ["tokenanti", ""], ["tokena", "nti"], ["token\nanti", undefined], ["5:tokenanti", undefined]];
  for (const [token, antiCsrf] of others) assert.equal(verified.get(token, antiCsrf), undefined, `${token} ${antiCsrf}`);
  verified.put("other", undefined, session, later);
  for (const antiCsrf of ["", "anti"]) assert.equal(verified.get("other", antiCsrf), undefined);
  assert.equal(verified.get("-other", undefined), undefined);
  verified.put("past", undefined, session, Date.now() - 1);
  assert.equal(verified.get("past", undefined), undefined);
});

test("no more tokens are remembered than are to be", () => {
  const verified = new VerifiedTokens(2);
  for (const token of ["one", "two", "three"]) verified.put(token, undefined, {}, Date.now() + 60_000);
  assert.equal(verified.size, 2);
  assert.deepEqual(verified.get("three", undefined), {});
  verified.clear();
  assert.equal(verified.size, 0);
  assert.equal(verified.get("three", undefined), undefined);
});

test("a few tokens more than there is room for cost a few, and not all", () => {
  const verified = new VerifiedTokens(100);
  let found = 0;
  for (let turn = 0; turn < 100; turn++) {
    for (let token = 0; token < 110; token++) {
      if (verified.get(String(token), undefined) === undefined) verified.put(String(token), undefined, {}, Date.now() + 60_000);
      else found++;
    }
  }
  assert.equal(verified.size, 100);
  // By chance about four in five; were the oldest to go, none.
  assert.ok(found > 100 * 110 * 0.5, String(found));
});

test("of what is over nothing is found, and another takes its room", () => {
  const verified = new VerifiedTokens(1);
  verified.put("one", undefined, {}, Date.now() - 1);
  assert.equal(verified.get("one", undefined), undefined);
  verified.put("one", undefined, { again: true }, Date.now() + 60_000);
  assert.deepEqual(verified.get("one", undefined), { again: true });
  assert.equal(verified.size, 1);
});
