// The session functions of supertokens-node 1.0.1 against a server with its default settings.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startProxy } from "./support/proxy.mjs";
import { check, failsWith, holding, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

/** What JSON can say and careless code loses. */
const ODD = {
  nothing: null,
  nested: { list: [1, [2, { three: null }], []], empty: {}, "": "empty name" },
  numbers: [0, -1, 1.5, 1e-7, Number.MAX_SAFE_INTEGER],
  truth: [true, false],
  text: ["", " padded ", "Grüße, 世界, \u{1F511}", 'quote " backslash \\ slash / tab \t', "\u0000\u001f\u2028\u2029"],
  "né": "unicode in a name",
  "a.b": { "$set": 1 },
  "__proto__x": 1,
};

let server;
let core;

before(async () => {
  server = await startServer();
  core = await startProxy(server);
  sdk.init([{ hostname: core.hostname, port: core.port }]);
});

after(async () => {
  await core?.close();
  await server?.stop();
});

/** A session that a client has just got by refreshing: its access token is not confirmed yet. */
async function refreshed(userId) {
  const first = await sdk.createNewSession(userId);
  return { first, second: await sdk.refreshSession(first.refreshToken.token) };
}

test("a new session brings its tokens, and their cookies' settings", async () => {
  const started = Date.now();
  const created = await sdk.createNewSession("create", { role: "guest" }, { cart: [] });
  assert.deepEqual(Object.keys(created).sort(), [
    "accessToken",
    "antiCsrfToken",
    "idRefreshToken",
    "refreshToken",
    "session",
  ]);
  const { session, accessToken, refreshToken, idRefreshToken } = created;
  assert.deepEqual(session, { handle: session.handle, userId: "create", userDataInJWT: { role: "guest" } });
  assert.equal(accessToken.cookiePath, "/");
  assert.equal(refreshToken.cookiePath, "/session/refresh");
  for (const token of [accessToken, refreshToken]) {
    assert.equal(token.domain, "localhost");
    assert.equal(token.cookieSecure, true);
    assert.ok(token.createdTime >= started - 1 && token.createdTime <= Date.now());
  }
  assert.equal(accessToken.expiry - accessToken.createdTime, 3600 * 1000);
  assert.equal(refreshToken.expiry - refreshToken.createdTime, 144_000 * 60 * 1000);
  assert.equal(idRefreshToken.expiry, refreshToken.expiry);
  assert.equal(idRefreshToken.createdTime, refreshToken.createdTime);
});

test("payload and session data may be left out", async () => {
  const { session } = await sdk.createNewSession("bare");
  assert.deepEqual(session.userDataInJWT, {});
  assert.deepEqual(await sdk.getSessionData(session.handle), {});
});

test("a valid token is checked without asking the server", async () => {
  const created = await sdk.createNewSession("local", { role: "guest" });
  const { result, requests } = await core.during(() => check(created));
  assert.deepEqual(result, { session: created.session });
  assert.deepEqual(requests, []);
});

test("the payload comes back deeply equal, from creation, checks and refreshes", async () => {
  const created = await sdk.createNewSession("payload", ODD);
  assert.deepEqual(created.session.userDataInJWT, ODD);
  assert.deepEqual((await check(created)).session.userDataInJWT, ODD);
  const second = await sdk.refreshSession(created.refreshToken.token);
  assert.deepEqual(second.session.userDataInJWT, ODD);
  const confirmed = await check(second);
  assert.deepEqual(confirmed.session.userDataInJWT, ODD);
  assert.deepEqual((await check(holding(second, confirmed))).session.userDataInJWT, ODD);
});

test("session data are kept as they are, and overwritten as a whole", async () => {
  const { session } = await sdk.createNewSession("data", {}, ODD);
  assert.deepEqual(await sdk.getSessionData(session.handle), ODD);
  for (const data of [{ a: { b: { c: [null, { d: "é" }] } } }, {}, { only: "this" }, ODD]) {
    await sdk.updateSessionData(session.handle, data);
    assert.deepEqual(await sdk.getSessionData(session.handle), data);
  }
});

test("session data do not get into tokens, and the payload not into the data", async () => {
  const created = await sdk.createNewSession("apart", { inPayload: 1 }, { inData: "only-the-store-knows" });
  const payload = Buffer.from(created.accessToken.token.split(".")[1], "base64").toString();
  assert.ok(payload.includes("inPayload"));
  assert.ok(!payload.includes("only-the-store-knows"));
  assert.deepEqual(await sdk.getSessionData(created.session.handle), { inData: "only-the-store-knows" });
});

test("the first check after a refresh confirms it and brings a token; after that the server is not asked", async () => {
  const { first, second } = await refreshed("promotion");
  assert.notEqual(second.refreshToken.token, first.refreshToken.token);
  assert.notEqual(second.antiCsrfToken, first.antiCsrfToken);

  const use = await core.during(() => check(second));
  assert.deepEqual(use.requests, ["POST /session/verify"]);
  assert.deepEqual(use.result.session, first.session);
  assert.notEqual(use.result.accessToken.token, second.accessToken.token);
  assert.deepEqual(Object.keys(use.result).sort(), ["accessToken", "session"]);

  const next = await core.during(() => check(holding(second, use.result)));
  assert.deepEqual(next.requests, []);
  assert.equal(next.result.accessToken, undefined);
});

test("a client that lost the confirmed token gets another", async () => {
  const { second } = await refreshed("lost-promotion");
  await check(second);
  const again = await check(second);
  const next = await core.during(() => check(holding(second, again)));
  assert.deepEqual(next.requests, []);
});

test("a repeated refresh brings the same tokens, byte for byte", async () => {
  const { first, second } = await refreshed("repeat");
  const again = await sdk.refreshSession(first.refreshToken.token);
  assert.equal(again.refreshToken.token, second.refreshToken.token);
  assert.equal(again.antiCsrfToken, second.antiCsrfToken);
  // Also when the first answer has been put to use meanwhile, as by another tab.
  await check(second);
  const late = await sdk.refreshSession(first.refreshToken.token);
  assert.equal(late.refreshToken.token, second.refreshToken.token);
  assert.equal(late.antiCsrfToken, second.antiCsrfToken);
  await check(late);
});

test("twenty refreshes of one token at once make one successor", async () => {
  const { refreshToken } = await sdk.createNewSession("parallel");
  const answers = await Promise.all(Array.from({ length: 20 }, () => sdk.refreshSession(refreshToken.token)));
  assert.equal(new Set(answers.map((answer) => answer.refreshToken.token)).size, 1);
  assert.equal(new Set(answers.map((answer) => answer.antiCsrfToken)).size, 1);
  // All of them are good, in whatever order they are used.
  const checked = await Promise.all(answers.map((answer) => check(answer)));
  for (const { session } of checked) assert.equal(session.userId, "parallel");
  const third = await sdk.refreshSession(answers[7].refreshToken.token);
  assert.notEqual(third.refreshToken.token, answers[0].refreshToken.token);
});

test("a refresh token from before the last one is theft", async () => {
  const { first, second } = await refreshed("thief");
  await check(second);
  const third = await sdk.refreshSession(second.refreshToken.token);
  await check(third);
  const error = await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
  assert.deepEqual(error, { sessionHandle: first.session.handle, userId: "thief" });

  // What to do about it is the application's decision; the documented one is to revoke.
  await sdk.refreshSession(third.refreshToken.token);
  assert.equal(await sdk.revokeSessionUsingSessionHandle(error.sessionHandle), true);
  await failsWith("UNAUTHORISED", sdk.refreshSession(third.refreshToken.token));
});

test("refreshing with the newest token confirms it too", async () => {
  const { first, second } = await refreshed("chain");
  const third = await sdk.refreshSession(second.refreshToken.token);
  const fourth = await sdk.refreshSession(third.refreshToken.token);
  await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
  await check(fourth);
});

test("a revoked session can do nothing any more", async () => {
  const { session, refreshToken } = await sdk.createNewSession("revoke");
  assert.equal(await sdk.revokeSessionUsingSessionHandle(session.handle), true);
  assert.equal(await sdk.revokeSessionUsingSessionHandle(session.handle), false);
  await failsWith("UNAUTHORISED", sdk.refreshSession(refreshToken.token));
  await failsWith("UNAUTHORISED", sdk.getSessionData(session.handle));
  await failsWith("UNAUTHORISED", sdk.updateSessionData(session.handle, {}));
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("revoke"), []);
});

test("an unconfirmed token of a revoked session is refused", async () => {
  const { second } = await refreshed("revoke-unconfirmed");
  await sdk.revokeSessionUsingSessionHandle(second.session.handle);
  await failsWith("UNAUTHORISED", check(second));
});

test("all sessions of a user are listed and revoked, and nobody else's", async () => {
  const mine = await Promise.all(Array.from({ length: 3 }, () => sdk.createNewSession("many")));
  const other = await sdk.createNewSession("many ");
  const upper = await sdk.createNewSession("MANY");
  const handles = mine.map(({ session }) => session.handle).sort();
  assert.equal(new Set(handles).size, 3);
  assert.deepEqual((await sdk.getAllSessionHandlesForUser("many")).sort(), handles);
  assert.equal(await sdk.revokeAllSessionsForUser("many"), 3);
  assert.equal(await sdk.revokeAllSessionsForUser("many"), 0);
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("many"), []);
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("many "), [other.session.handle]);
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("MANY"), [upper.session.handle]);
  for (const { refreshToken } of mine) await failsWith("UNAUTHORISED", sdk.refreshSession(refreshToken.token));
});

test("a user id may be any text", async () => {
  for (const userId of ["", "o'hara\"; DROP TABLE sessions; --", "a&b=c?d#e%20f+g", "用户\u{1F511}", "x".repeat(128)]) {
    const created = await sdk.createNewSession(userId);
    assert.equal((await check(created)).session.userId, userId.trim(), "the SDK itself trims what it reads");
    assert.equal(created.session.userId, userId);
    assert.deepEqual(await sdk.getAllSessionHandlesForUser(userId), [created.session.handle]);
    assert.equal(await sdk.revokeAllSessionsForUser(userId), 1);
  }
});

test("anti-CSRF: a check needs the session's own token", async () => {
  const created = await sdk.createNewSession("csrf");
  const other = await sdk.createNewSession("csrf-other");
  await check(created);
  await failsWith("TRY_REFRESH_TOKEN", check({ ...created, antiCsrfToken: undefined }));
  await failsWith("TRY_REFRESH_TOKEN", check({ ...created, antiCsrfToken: "" }));
  await failsWith("TRY_REFRESH_TOKEN", check({ ...created, antiCsrfToken: other.antiCsrfToken }));
  const { requests } = await core.during(() => check({ ...created, antiCsrfToken: undefined }, false));
  assert.deepEqual(requests, []);
});

test("anti-CSRF holds at the server as well: an unconfirmed token is not confirmed without it", async () => {
  const { first, second } = await refreshed("csrf-server");
  const refused = await failsWith("TRY_REFRESH_TOKEN", check({ ...second, antiCsrfToken: first.antiCsrfToken }));
  assert.equal(refused.message, "anti-csrf check failed");
  const unchecked = await core.during(() => check({ ...second, antiCsrfToken: undefined }, false));
  assert.deepEqual(unchecked.requests, ["POST /session/verify"]);
  assert.notEqual(unchecked.result.accessToken, undefined);
});

test("what is not an access token is refused with TRY_REFRESH_TOKEN", async () => {
  const created = await sdk.createNewSession("garbage");
  const [header, payload, signature] = created.accessToken.token.split(".");
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
    `${created.accessToken.token}.${signature}`,
  ]) {
    await failsWith("TRY_REFRESH_TOKEN", check({ ...created, accessToken: { token } }));
  }
});

test("what is not a refresh token is refused with UNAUTHORISED", async () => {
  const { accessToken, refreshToken } = await sdk.createNewSession("garbage-refresh");
  const text = refreshToken.token;
  for (const token of ["", "garbage", text.slice(0, -1), text.slice(1), `${text}A`, accessToken.token, text.toUpperCase()]) {
    await failsWith("UNAUTHORISED", sdk.refreshSession(token));
  }
  await sdk.refreshSession(text);
});

test("a check without the id refresh token is refused before the server is asked", async () => {
  const { accessToken, antiCsrfToken } = await sdk.createNewSession("two-arguments");
  const { requests } = await core.during(() =>
    failsWith("UNAUTHORISED", sdk.getSession(accessToken.token, antiCsrfToken, true, undefined)),
  );
  assert.deepEqual(requests, []);
});

test("a session that never was is refused with UNAUTHORISED", async () => {
  for (const handle of ["", "garbage", "01890a5d-ac96-774b-bcce-b302099a8057", "' OR 1=1 --", "a\u0000b", "%", "*"]) {
    await failsWith("UNAUTHORISED", sdk.getSessionData(handle));
    await failsWith("UNAUTHORISED", sdk.updateSessionData(handle, { a: 1 }));
    assert.equal(await sdk.revokeSessionUsingSessionHandle(handle), false);
  }
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("nobody"), []);
  assert.equal(await sdk.revokeAllSessionsForUser("nobody"), 0);
});

test("a revocation that meets other calls in flight is final", async () => {
  for (let turn = 0; turn < 25; turn++) {
    const { session, refreshToken } = await sdk.createNewSession("in-flight");
    const next = await sdk.refreshSession(refreshToken.token);
    const calls = [
      () => sdk.updateSessionData(session.handle, { turn }),
      () => sdk.refreshSession(next.refreshToken.token),
      () => check(next),
      () => sdk.getSessionData(session.handle),
    ];
    // The revocation is sent at each place among them in turn.
    calls.splice(turn % (calls.length + 1), 0, () => sdk.revokeSessionUsingSessionHandle(session.handle));
    for (const outcome of await Promise.allSettled(calls.map((call) => call()))) {
      if (outcome.status === "rejected") await failsWith("UNAUTHORISED", Promise.reject(outcome.reason));
    }
    await failsWith("UNAUTHORISED", sdk.getSessionData(session.handle));
    await failsWith("UNAUTHORISED", sdk.updateSessionData(session.handle, { turn }));
    await failsWith("UNAUTHORISED", sdk.refreshSession(next.refreshToken.token));
    await failsWith("UNAUTHORISED", check(next));
  }
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("in-flight"), []);
});

test("a payload that no cookie could carry is refused, naming the limit", async () => {
  const error = await failsWith("GENERAL_ERROR", sdk.createNewSession("large", { text: "x".repeat(4096) }));
  assert.match(error.message, /status code: 400/);
  assert.match(error.message, /\b4096\b/);
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("large"), []);
});

test("session data go up to 1 MiB of JSON, and not a byte further", async () => {
  const limit = 1024 * 1024;
  const dataOf = (bytes) => ({ text: "x".repeat(bytes - '{"text":""}'.length) });
  assert.equal(JSON.stringify(dataOf(limit)).length, limit);

  const { session } = await sdk.createNewSession("much", {}, dataOf(limit));
  assert.deepEqual(await sdk.getSessionData(session.handle), dataOf(limit));
  await sdk.updateSessionData(session.handle, dataOf(limit - 1));

  for (const refused of [
    () => sdk.updateSessionData(session.handle, dataOf(limit + 1)),
    () => sdk.createNewSession("much", {}, dataOf(limit + 1)),
  ]) {
    const error = await failsWith("GENERAL_ERROR", refused());
    assert.match(error.message, /\b1048576\b/);
  }
  assert.deepEqual(await sdk.getSessionData(session.handle), dataOf(limit - 1));
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("much"), [session.handle]);
});

test("what the protocol has no form for is a GENERAL_ERROR that says why", async () => {
  const { session } = await sdk.createNewSession("bad-input");
  const cases = [
    [() => sdk.createNewSession(1), "Field name 'userId' is invalid in JSON input"],
    [() => sdk.createNewSession(undefined), "Field name 'userId' is invalid in JSON input"],
    [() => sdk.createNewSession("bad-input", "text"), "Field name 'userDataInJWT' is invalid in JSON input"],
    [() => sdk.createNewSession("bad-input", {}, []), "Field name 'userDataInDatabase' is invalid in JSON input"],
    [() => sdk.updateSessionData(session.handle, null), "Field name 'userDataInDatabase' is invalid in JSON input"],
    [() => sdk.getSessionData(undefined), "Field name 'sessionHandle' is missing in GET request"],
    [() => sdk.refreshSession(null), "Field name 'refreshToken' is invalid in JSON input"],
  ];
  for (const [call, why] of cases) {
    const error = await failsWith("GENERAL_ERROR", call());
    assert.ok(error.message.includes("with status code: 400 "), error.message);
    assert.ok(error.message.includes(why), error.message);
  }
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("bad-input"), [session.handle]);
});
