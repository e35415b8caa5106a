// With no grace window the rotation is the historical one: only a lost answer is forgiven, never a token used late.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { check, failsWith, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

let server;

before(async () => {
  server = await startServer({ settings: { REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0" } });
  sdk.init([server]);
});

after(() => server?.stop());

test("the old token is theft as soon as the new one was used", async () => {
  const first = await sdk.createNewSession("legacy");
  const second = await sdk.refreshSession(first.refreshToken.token);
  await check(second);
  const error = await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
  assert.deepEqual(error, { sessionHandle: first.session.handle, userId: "legacy" });
});

test("the old token is theft as soon as the new one was refreshed", async () => {
  const first = await sdk.createNewSession("legacy-refresh");
  const second = await sdk.refreshSession(first.refreshToken.token);
  await sdk.refreshSession(second.refreshToken.token);
  await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
});

test("an answer that nobody used costs nothing", async () => {
  const first = await sdk.createNewSession("lost");
  const lost = await sdk.refreshSession(first.refreshToken.token);
  const arrived = await sdk.refreshSession(first.refreshToken.token);
  assert.notEqual(arrived.refreshToken.token, lost.refreshToken.token, "siblings, of which the first used wins");
  await check(arrived);
  await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(lost.refreshToken.token));
  await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
  await sdk.refreshSession(arrived.refreshToken.token);
});

test("the access token of a branch that lost stays good, and is not renewed", async () => {
  const first = await sdk.createNewSession("branch");
  const loser = await sdk.refreshSession(first.refreshToken.token);
  const winner = await sdk.refreshSession(first.refreshToken.token);
  await check(winner);
  const answer = await check(loser);
  assert.equal(answer.session.userId, "branch");
  assert.equal(answer.accessToken, undefined);
});
