// One table of what sessions do, for whatever backend. Only what all of them have to agree on is asserted.
import assert from "node:assert/strict";

import { failsWith } from "./failures.mjs";

const UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057";

const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));

/** What each scenario gets: the functions, and what is often done with them. */
export function toolsFor({ sdk, Error }) {
  const check = ({ accessToken, antiCsrfToken, idRefreshToken }, doAntiCsrfCheck = true) =>
    sdk.getSession(accessToken.token, antiCsrfToken, doAntiCsrfCheck, idRefreshToken.token);
  const fails = (name, promise) => failsWith(name, promise, Error);
  const refreshed = async (userId) => {
    const first = await sdk.createNewSession(userId);
    return { first, second: await sdk.refreshSession(first.refreshToken.token) };
  };
  return { sdk, check, fails, refreshed };
}

export const SCENARIOS = {
  "a new session has its tokens, and cookies as configured": async ({ sdk }) => {
    const before = Date.now();
    const made = await sdk.createNewSession("shape", { role: "editor" });
    const cookie = { cookieSecure: true, domain: "sessions.test" };
    const names = ["cookiePath", "cookieSecure", "domain"];
    assert.deepEqual(pick(made.accessToken, names), { cookiePath: "/", ...cookie });
    assert.deepEqual(pick(made.refreshToken, names), { cookiePath: "/session/refresh", ...cookie });
    for (const token of [made.accessToken, made.refreshToken, made.idRefreshToken]) {
      assert.equal(typeof token.token, "string");
      assert.ok(token.createdTime >= before && token.createdTime <= Date.now());
    }
    assert.equal(made.accessToken.expiry - made.accessToken.createdTime, 3_600_000);
    assert.equal(made.refreshToken.expiry - made.refreshToken.createdTime, 144_000 * 60_000);
    assert.equal(made.idRefreshToken.expiry, made.refreshToken.expiry);
    assert.equal(typeof made.antiCsrfToken, "string");
    assert.deepEqual(pick(made.session, ["userId", "userDataInJWT"]), { userId: "shape", userDataInJWT: { role: "editor" } });
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("shape"), [made.session.handle]);
  },
  "a session is verified, and says what it was made with": async ({ sdk, check }) => {
    const payload = { text: "世界\u{1F511}", list: [1, { none: null }], none: null, nested: { deep: { n: 1.5e3 } } };
    const made = await sdk.createNewSession("verified", payload);
    const found = await check(made);
    assert.equal(found.accessToken, undefined);
    assert.deepEqual(pick(found.session, ["handle", "userId"]), { handle: made.session.handle, userId: "verified" });
    assert.deepEqual(found.session.userDataInJWT, payload);
  },
  "payload and data are empty objects by default": async ({ sdk, check }) => {
    const made = await sdk.createNewSession("empty");
    assert.deepEqual((await check(made)).session.userDataInJWT, {});
    assert.deepEqual(await sdk.getSessionData(made.session.handle), {});
  },
  "what JSON has no form for is left out of objects, and null in lists": async ({ sdk, check }) => {
    const date = new Date(0);
    const made = await sdk.createNewSession("json", { gone: undefined, list: [undefined], date }, { gone: undefined });
    assert.deepEqual((await check(made)).session.userDataInJWT, { list: [null], date: "1970-01-01T00:00:00.000Z" });
    assert.deepEqual(await sdk.getSessionData(made.session.handle), {});
  },
  "data are read and overwritten": async ({ sdk }) => {
    const { session } = await sdk.createNewSession("data", {}, { cart: [1] });
    assert.deepEqual(await sdk.getSessionData(session.handle), { cart: [1] });
    const data = { "né": ["世界", null], nested: { n: -0.5 } };
    assert.equal(await sdk.updateSessionData(session.handle, data), undefined);
    assert.deepEqual(await sdk.getSessionData(session.handle), data);
  },
  "a refresh brings new tokens; the first use of the access token another one": async ({ check, refreshed }) => {
    const { first, second } = await refreshed("renew");
    for (const name of ["accessToken", "refreshToken", "idRefreshToken"]) {
      assert.notEqual(second[name].token, first[name].token, name);
    }
    assert.notEqual(second.antiCsrfToken, first.antiCsrfToken);
    assert.equal(second.session.handle, first.session.handle);
    const used = await check(second);
    assert.notEqual(used.accessToken.token, second.accessToken.token);
    assert.equal(used.accessToken.cookiePath, "/");
    const again = await check({ ...second, accessToken: used.accessToken });
    assert.equal(again.accessToken, undefined);
  },
  "a refresh that is repeated gets the same answer": async ({ sdk, check }) => {
    const { refreshToken } = await sdk.createNewSession("repeat");
    const answers = await Promise.all(Array.from({ length: 4 }, () => sdk.refreshSession(refreshToken.token)));
    assert.equal(new Set(answers.map((answer) => answer.refreshToken.token)).size, 1);
    assert.equal(new Set(answers.map((answer) => answer.antiCsrfToken)).size, 1);
    for (const answer of answers) await check(answer);
  },
  "a refresh token from before the last one is theft": async ({ sdk, check, fails, refreshed }) => {
    const { first, second } = await refreshed("thief");
    await check(second);
    const third = await sdk.refreshSession(second.refreshToken.token);
    await check(third);
    const { err } = await fails("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
    assert.deepEqual(err, { sessionHandle: first.session.handle, userId: "thief" });
    await sdk.revokeSessionUsingSessionHandle(err.sessionHandle);
    await fails("UNAUTHORISED", sdk.refreshSession(third.refreshToken.token));
  },
  "a revoked session can do nothing any more": async ({ sdk, fails }) => {
    const { session, refreshToken } = await sdk.createNewSession("revoke");
    assert.equal(await sdk.revokeSessionUsingSessionHandle(session.handle), true);
    assert.equal(await sdk.revokeSessionUsingSessionHandle(session.handle), false);
    await fails("UNAUTHORISED", sdk.refreshSession(refreshToken.token));
    await fails("UNAUTHORISED", sdk.getSessionData(session.handle));
    await fails("UNAUTHORISED", sdk.updateSessionData(session.handle, {}));
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("revoke"), []);
  },
  "an access token outlives its session, as it is good by its signature": async ({ sdk, check }) => {
    const made = await sdk.createNewSession("outlived");
    await check(made);
    await sdk.revokeSessionUsingSessionHandle(made.session.handle);
    assert.equal((await check(made)).session.userId, "outlived");
  },
  "an unconfirmed token of a revoked session is refused": async ({ sdk, check, fails, refreshed }) => {
    const { second } = await refreshed("revoke-unconfirmed");
    await sdk.revokeSessionUsingSessionHandle(second.session.handle);
    await fails("UNAUTHORISED", check(second));
  },
  "all sessions of a user are listed and revoked, and nobody else's": async ({ sdk }) => {
    const mine = await Promise.all(Array.from({ length: 3 }, () => sdk.createNewSession("many")));
    const other = await sdk.createNewSession("MANY");
    assert.deepEqual((await sdk.getAllSessionHandlesForUser("many")).sort(), mine.map(({ session }) => session.handle).sort());
    assert.equal(await sdk.revokeAllSessionsForUser("many"), 3);
    assert.equal(await sdk.revokeAllSessionsForUser("many"), 0);
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("MANY"), [other.session.handle]);
  },
  "a user id may be any text": async ({ sdk }) => {
    for (const userId of ["", "o'hara\"; --", "a&b=c?d#e%20f+g", "用户\u{1F511}", "x".repeat(128)]) {
      const { session } = await sdk.createNewSession(userId);
      assert.equal(session.userId, userId);
      assert.deepEqual(await sdk.getAllSessionHandlesForUser(userId), [session.handle]);
      assert.equal(await sdk.revokeAllSessionsForUser(userId), 1);
    }
  },
  "anti-CSRF: a check needs the session's own token": async ({ sdk, check, fails }) => {
    const [made, other] = [await sdk.createNewSession("csrf"), await sdk.createNewSession("csrf-other")];
    await check(made);
    for (const antiCsrfToken of [undefined, "", other.antiCsrfToken]) {
      await fails("TRY_REFRESH_TOKEN", check({ ...made, antiCsrfToken }));
    }
    await check({ ...made, antiCsrfToken: undefined }, false);
  },
  "anti-CSRF: an unconfirmed token is not confirmed without it": async ({ check, fails, refreshed }) => {
    const { first, second } = await refreshed("csrf-unconfirmed");
    await fails("TRY_REFRESH_TOKEN", check({ ...second, antiCsrfToken: first.antiCsrfToken }));
    assert.notEqual((await check({ ...second, antiCsrfToken: undefined }, false)).accessToken, undefined);
  },
  "what is not an access token is refused with TRY_REFRESH_TOKEN": async ({ sdk, check, fails }) => {
    const made = await sdk.createNewSession("garbage");
    const [header, payload, signature] = made.accessToken.token.split(".");
    const forged = Buffer.from(payload, "base64").toString().replace("garbage", "someone");
    const unsigned = Buffer.from('{"alg":"none","typ":"JWT","version":"1"}').toString("base64");
    for (const token of [
      "",
      "garbage",
      "..",
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `${header}.${payload}.!!!`,
      `${header}.${Buffer.from(forged).toString("base64")}.${signature}`,
      `${unsigned}.${payload}.${signature}`,
      `${made.accessToken.token}.${signature}`,
      "x".repeat(100_000),
    ]) {
      await fails("TRY_REFRESH_TOKEN", check({ ...made, accessToken: { token } }));
    }
    await check(made);
  },
  "what is not a refresh token is refused with UNAUTHORISED": async ({ sdk, fails }) => {
    const { accessToken, refreshToken } = await sdk.createNewSession("garbage-refresh");
    const text = refreshToken.token;
    for (const token of ["", "garbage", text.slice(0, -1), `${text}A`, accessToken.token, text.toUpperCase(), "\0"]) {
      await fails("UNAUTHORISED", sdk.refreshSession(token));
    }
    await sdk.refreshSession(text);
  },
  "with four arguments an id refresh token is needed": async ({ sdk, fails }) => {
    const { accessToken, antiCsrfToken } = await sdk.createNewSession("no-id-refresh");
    await fails("UNAUTHORISED", sdk.getSession(accessToken.token, antiCsrfToken, true, undefined));
  },
  "a session that never was is refused with UNAUTHORISED": async ({ sdk, fails }) => {
    for (const handle of ["", "garbage", UNKNOWN, "' OR 1=1 --", "a\u0000b", "%"]) {
      await fails("UNAUTHORISED", sdk.getSessionData(handle));
      await fails("UNAUTHORISED", sdk.updateSessionData(handle, { a: 1 }));
      assert.equal(await sdk.revokeSessionUsingSessionHandle(handle), false);
    }
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("nobody"), []);
    assert.equal(await sdk.revokeAllSessionsForUser("nobody"), 0);
  },
  "what cannot be stored is a GENERAL_ERROR, and nothing is stored": async ({ sdk, fails }) => {
    const { session } = await sdk.createNewSession("bad", {}, { kept: true });
    for (const call of [
      () => sdk.createNewSession(1),
      () => sdk.createNewSession(undefined),
      () => sdk.createNewSession("x".repeat(129)),
      () => sdk.createNewSession("bad", "text"),
      () => sdk.createNewSession("bad", {}, []),
      () => sdk.createNewSession("bad", { text: "x".repeat(4096) }),
      () => sdk.createNewSession("bad", {}, { text: "x".repeat(2 * 1024 * 1024) }),
      () => sdk.updateSessionData(session.handle, null),
      () => sdk.updateSessionData(session.handle, { text: "x".repeat(2 * 1024 * 1024) }),
      () => sdk.getSessionData(undefined),
      () => sdk.refreshSession(null),
    ]) {
      await fails("GENERAL_ERROR", call());
    }
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("bad"), [session.handle]);
    assert.deepEqual(await sdk.getSessionData(session.handle), { kept: true });
  },
};
