// The protocol itself, byte by byte, without an SDK in between: every path, field, status and text of version 1.0.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { send } from "./support/http.mjs";
import { startServer, temporaryFolder } from "./support/server.mjs";

let server;
const folder = temporaryFolder();
const configFile = path.join(folder, "config.yaml");

before(async () => {
  writeFileSync(configFile, "access_token_validity: 1800\n");
  server = await startServer({ database: `sqlite:${path.join(folder, "protocol.db")}`, config: configFile });
});

after(() => server?.stop());

const ask = (method, path, json) => send(server, method, path, { json });
const sendText = (method, path, body) => send(server, method, path, { body });
const invalid = (name) => `Field name '${name}' is invalid in JSON input`;
const missing = (name) => `Field name '${name}' is missing in GET request`;

/** Checks that `answer` is JSON as the protocol sends it, and reads it. */
function json(answer) {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(normalised(answer.headers["content-type"]), "application/json;charset=utf-8");
  assert.ok(answer.text.endsWith("}\n"), JSON.stringify(answer.text.slice(-20)));
  const value = JSON.parse(answer.text);
  // 2^63 - 1 does not survive JavaScript's numbers; nothing else is changed by being read and written again.
  const compact = JSON.stringify(value).replaceAll("9223372036854776000", "9223372036854775807");
  assert.equal(answer.text, `${compact}\n`, "compact, and one line");
  return value;
}

/** Checks that `answer` is text as the protocol sends it. */
function assertText(answer, status, text) {
  assert.deepEqual({ status: answer.status, text: answer.text }, { status, text: `${text}\n` });
  assert.equal(normalised(answer.headers["content-type"]), "text/html;charset=utf-8");
}

/** `charset` may be written in either case, and with a blank before it or not. */
const normalised = (contentType) => contentType?.replaceAll(" ", "").toLowerCase();

function assertMembers(object, names) {
  assert.deepEqual(Object.keys(object).sort(), [...names].sort());
}

function assertTokenInfo(token, cookiePath) {
  assertMembers(token, ["token", "expiry", "createdTime", "cookiePath", "cookieSecure", "domain"]);
  assert.equal(typeof token.token, "string");
  assert.ok(Number.isInteger(token.expiry) && Number.isInteger(token.createdTime) && token.expiry > token.createdTime);
  assert.equal(token.cookiePath, cookiePath);
  assert.equal(token.cookieSecure, true);
  assert.equal(token.domain, "localhost");
}

function assertIssued({ session, accessToken, refreshToken, idRefreshToken, antiCsrfToken }, user, payload) {
  assertMembers(session, ["handle", "userId", "userDataInJWT"]);
  assert.equal(typeof session.handle, "string");
  assert.equal(session.userId, user);
  assert.deepEqual(session.userDataInJWT, payload);
  assertTokenInfo(accessToken, "/");
  assertTokenInfo(refreshToken, "/session/refresh");
  assertMembers(idRefreshToken, ["token", "expiry", "createdTime"]);
  assert.equal(typeof idRefreshToken.token, "string");
  assert.equal(idRefreshToken.expiry, refreshToken.expiry);
  assert.equal(idRefreshToken.createdTime, refreshToken.createdTime);
  assert.equal(typeof antiCsrfToken, "string");
}

async function create(userId, userDataInJWT = {}, userDataInDatabase = {}) {
  return json(await ask("POST", "/session", { userId, userDataInJWT, userDataInDatabase }));
}

const refresh = async (refreshToken) => json(await ask("POST", "/session/refresh", { refreshToken }));
const verifyToken = async (accessToken, antiCsrfToken, doAntiCsrfCheck = true) =>
  json(await ask("POST", "/session/verify", { accessToken, antiCsrfToken, doAntiCsrfCheck }));
const data = async (handle) => json(await ask("GET", `/session/data?sessionHandle=${encodeURIComponent(handle)}`));
const handles = async (user) => json(await ask("GET", `/session/user?userId=${encodeURIComponent(user)}`)).sessionHandles;

/** An application's failure: 200, a status, and always a message, which some SDKs insist on being a string. */
function assertRefused(value, status) {
  assertMembers(value, ["status", "message"]);
  assert.equal(value.status, status);
  assert.equal(typeof value.message, "string");
}

const GONE = { status: "UNAUTHORISED", message: "Session does not exist." };

test("hello", async () => {
  for (const method of ["GET", "POST", "PUT", "DELETE"]) assertText(await ask(method, "/hello"), 200, "Hello");
  assertText(await sendText("POST", "/hello", "not json"), 200, "Hello");
});

test("handshake: nine members", async () => {
  const answer = await ask("POST", "/handshake", {});
  const value = json(answer);
  const { jwtSigningPublicKey, ...rest } = value;
  assert.deepEqual(rest, {
    status: "OK",
    jwtSigningPublicKeyExpiryTime: rest.jwtSigningPublicKeyExpiryTime,
    cookieDomain: "localhost",
    cookieSecure: true,
    accessTokenPath: "/",
    refreshTokenPath: "/session/refresh",
    enableAntiCsrf: true,
    accessTokenBlacklistingEnabled: false,
  });
  assert.ok(rest.jwtSigningPublicKeyExpiryTime > Date.now());
  assert.match(jwtSigningPublicKey, /^[A-Za-z0-9+/]+=*$/);
  const key = createPublicKey({ key: Buffer.from(jwtSigningPublicKey, "base64"), format: "der", type: "spki" });
  assert.equal(key.asymmetricKeyType, "rsa");
  assert.equal(json(await ask("POST", "/handshake", {})).jwtSigningPublicKey, jwtSigningPublicKey);
});

test("create: eight members, and a token that the handshake's key verifies", async () => {
  const handshake = json(await ask("POST", "/handshake", {}));
  const value = await create("create", { a: { b: [1, null] } }, { c: 1 });
  assertMembers(value, [
    "status",
    "session",
    "accessToken",
    "refreshToken",
    "idRefreshToken",
    "antiCsrfToken",
    "jwtSigningPublicKey",
    "jwtSigningPublicKeyExpiryTime",
  ]);
  assert.equal(value.status, "OK");
  assertIssued(value, "create", { a: { b: [1, null] } });
  assert.equal(value.jwtSigningPublicKey, handshake.jwtSigningPublicKey);

  const parts = value.accessToken.token.split(".");
  assert.equal(parts.length, 3);
  const [header, payload, signature] = parts;
  assert.equal(header, "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=");
  for (const part of parts) assert.equal(Buffer.from(part, "base64").toString("base64"), part, "standard, padded");
  const key = createPublicKey({ key: Buffer.from(value.jwtSigningPublicKey, "base64"), format: "der", type: "spki" });
  assert.ok(verify("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64")));
  const claims = JSON.parse(Buffer.from(payload, "base64"));
  assert.deepEqual(claims, {
    sessionHandle: value.session.handle,
    userId: "create",
    refreshTokenHash1: claims.refreshTokenHash1,
    userData: { a: { b: [1, null] } },
    antiCsrfToken: value.antiCsrfToken,
    expiryTime: value.accessToken.expiry,
    timeCreated: value.accessToken.createdTime,
    isPaid: false,
  });
  assert.match(claims.refreshTokenHash1, /^[0-9a-f]{64}$/);
  assert.equal(value.accessToken.expiry - value.accessToken.createdTime, 1800 * 1000, "the configuration file was read");
});

test("verify: four members, five when it brings a token", async () => {
  const first = await create("verify", { p: 1 });
  const plain = await verifyToken(first.accessToken.token, first.antiCsrfToken);
  assertMembers(plain, ["status", "session", "jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime"]);
  assert.equal(plain.status, "OK");
  assert.deepEqual(plain.session, first.session);
  assert.equal(plain.jwtSigningPublicKey, first.jwtSigningPublicKey);

  const second = await refresh(first.refreshToken.token);
  const confirmed = await verifyToken(second.accessToken.token, second.antiCsrfToken);
  assertMembers(confirmed, ["status", "session", "accessToken", "jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime"]);
  assert.deepEqual(confirmed.session, first.session);
  assertTokenInfo(confirmed.accessToken, "/");
  const before = JSON.parse(Buffer.from(second.accessToken.token.split(".")[1], "base64"));
  const afterwards = JSON.parse(Buffer.from(confirmed.accessToken.token.split(".")[1], "base64"));
  assert.match(before.parentRefreshTokenHash1, /^[0-9a-f]{64}$/);
  assert.ok(!("parentRefreshTokenHash1" in afterwards));
  assert.equal(afterwards.refreshTokenHash1, before.refreshTokenHash1);
  assert.equal(afterwards.antiCsrfToken, before.antiCsrfToken);
});

test("verify: refusals", async () => {
  const { session, accessToken, antiCsrfToken, refreshToken } = await create("verify-refused");
  const { token } = accessToken;
  for (const wrong of [undefined, "", "guess", `${antiCsrfToken}x`]) {
    const refused = await verifyToken(token, wrong);
    assert.deepEqual(refused, { status: "TRY_REFRESH_TOKEN", message: "anti-csrf check failed" });
  }
  assert.equal((await verifyToken(token, undefined, false)).status, "OK");
  assert.equal((await verifyToken(token, "guess", false)).status, "OK");

  const second = await refresh(refreshToken.token);
  await ask("DELETE", "/session", { sessionHandle: session.handle });
  assertRefused(await verifyToken(second.accessToken.token, second.antiCsrfToken), "UNAUTHORISED");
  // A confirmed one is good until it ends: the store is not asked.
  assert.equal((await verifyToken(token, antiCsrfToken)).status, "OK");
});

test("refresh: six members, and no key", async () => {
  const first = await create("refresh", { p: null });
  const second = await refresh(first.refreshToken.token);
  assertMembers(second, ["status", "session", "accessToken", "refreshToken", "idRefreshToken", "antiCsrfToken"]);
  assert.equal(second.status, "OK");
  assertIssued(second, "refresh", { p: null });
  assert.equal(second.session.handle, first.session.handle);
});

test("refresh: refusals", async () => {
  const first = await create("refresh-refused");
  const second = await refresh(first.refreshToken.token);
  const third = await refresh(second.refreshToken.token);
  await verifyToken(third.accessToken.token, third.antiCsrfToken);
  assert.deepEqual(await refresh(first.refreshToken.token), {
    status: "TOKEN_THEFT_DETECTED",
    session: { handle: first.session.handle, userId: "refresh-refused" },
  });
  // Reporting it revokes nothing: that is for the SDK's user to decide.
  assert.equal((await refresh(third.refreshToken.token)).status, "OK");
  await ask("DELETE", "/session", { sessionHandle: first.session.handle });
  for (const { refreshToken } of [first, second, third]) assertRefused(await refresh(refreshToken.token), "UNAUTHORISED");
});

test("session data", async () => {
  const { session } = await create("data", {}, { a: null });
  assert.deepEqual(await data(session.handle), { status: "OK", userDataInDatabase: { a: null } });
  for (const userDataInDatabase of [{}, { deep: [{ é: [] }], n: -0.5 }]) {
    const put = await ask("PUT", "/session/data", { sessionHandle: session.handle, userDataInDatabase });
    assert.deepEqual(json(put), { status: "OK" });
    assert.deepEqual(await data(session.handle), { status: "OK", userDataInDatabase });
  }
  assert.deepEqual(await data("nobody"), GONE);
  const put = await ask("PUT", "/session/data", { sessionHandle: "nobody", userDataInDatabase: {} });
  assert.deepEqual(json(put), GONE);
});

test("numbers and names of session data are kept as they were written", async () => {
  const { session } = await create("verbatim");
  const written = '{"big":12345678901234567890123,"e":1E5,"f":1.10,"b":1,"a":2}';
  const put = await sendText("PUT", "/session/data", `{"sessionHandle":"${session.handle}","userDataInDatabase":${written}}`);
  assert.deepEqual(json(put), { status: "OK" });
  const answer = await ask("GET", `/session/data?sessionHandle=${session.handle}`);
  assert.equal(answer.text, `{"status":"OK","userDataInDatabase":${written}}\n`);
});

test("handles of a user", async () => {
  assert.deepEqual(json(await ask("GET", "/session/user?userId=nobody")), { status: "OK", sessionHandles: [] });
  const made = [await create("listed"), await create("listed")].map(({ session }) => session.handle);
  assert.deepEqual((await handles("listed")).sort(), made.sort());
});

test("revoke: by handle, by handles, by user; with a body on DELETE", async () => {
  const made = [];
  for (let n = 0; n < 5; n++) made.push((await create("revoke")).session.handle);
  const revoke = async (what) => json(await ask("DELETE", "/session", what));
  const revoked = (numberOfSessionsRevoked) => ({ status: "OK", numberOfSessionsRevoked });
  assert.deepEqual(await revoke({ sessionHandle: made[0] }), revoked(1));
  assert.deepEqual(await revoke({ sessionHandle: made[0] }), revoked(0));
  assert.deepEqual(await revoke({ sessionHandles: [] }), revoked(0));
  assert.deepEqual(await revoke({ sessionHandles: [made[0], made[1], made[2], made[2], "nobody"] }), revoked(2));
  assert.deepEqual(await revoke({ userId: "revoke" }), revoked(2));
  assert.deepEqual(await revoke({ userId: "revoke" }), revoked(0));
  assert.deepEqual(await revoke({ userId: "nobody", deviceDriverInfo: {} }), revoked(0), "other members are ignored");

  const kept = (await create("revoke-kept")).session.handle;
  const text = "Invalid JSON input - use one of userId, sessionHandle, or sessionHandles array";
  for (const what of [
    {},
    { userID: "revoke-kept" },
    { userId: "revoke-kept", sessionHandle: kept },
    { userId: "revoke-kept", sessionHandles: [] },
    { sessionHandle: kept, sessionHandles: [kept] },
    { userId: "revoke-kept", sessionHandle: kept, sessionHandles: [kept] },
  ]) {
    assertText(await ask("DELETE", "/session", what), 400, text);
  }
  assert.deepEqual(await handles("revoke-kept"), [kept]);
});

test("config and devproductionmode answer to the server's own process id only", async () => {
  assert.deepEqual(json(await ask("GET", `/config?pid=${server.pid}`)), { status: "OK", path: configFile });
  const { status, mode } = json(await ask("GET", `/devproductionmode?pid=${server.pid}`));
  assert.deepEqual([status, mode], ["OK", "PRODUCTION"]);
  for (const endpoint of ["/config", "/devproductionmode"]) {
    for (const pid of ["", "1", "-1", "abc", `${server.pid}0`, `${server.pid}%00`]) {
      assert.deepEqual(json(await ask("GET", `${endpoint}?pid=${pid}`)), { status: "NOT ALLOWED" });
    }
    assertText(await ask("GET", endpoint), 400, missing("pid"));
  }
});

test("deviceDriverInfo is taken as it comes, whatever it is", async () => {
  const good = { frontendSDK: [{ name: "website", version: "1.2.3" }], driver: { name: "node", version: "1.0.1" } };
  for (const deviceDriverInfo of [good, {}, null, 1, "text", [], { frontendSDK: {} }, { driver: null }, { driver: { name: 1 } }]) {
    const body = (fields) => ({ ...fields, deviceDriverInfo });
    assert.equal(json(await ask("POST", "/handshake", body({}))).status, "OK");
    const created = json(
      await ask("POST", "/session", body({ userId: "device", userDataInJWT: {}, userDataInDatabase: {} })),
    );
    const { accessToken, antiCsrfToken, refreshToken } = created;
    const checked = await ask(
      "POST",
      "/session/verify",
      body({ accessToken: accessToken.token, antiCsrfToken, doAntiCsrfCheck: true }),
    );
    assert.equal(json(checked).status, "OK");
    assert.equal(json(await ask("POST", "/session/refresh", body({ refreshToken: refreshToken.token }))).status, "OK");
  }
});

const ENDPOINTS = {
  "/hello": ["GET", "POST", "PUT", "DELETE"],
  "/config": ["GET"],
  "/devproductionmode": ["GET"],
  "/handshake": ["POST"],
  "/session": ["POST", "DELETE"],
  "/session/verify": ["POST"],
  "/session/refresh": ["POST"],
  "/session/data": ["GET", "PUT"],
  "/session/user": ["GET"],
};

test("a known path with another method is 405", async () => {
  for (const [endpoint, methods] of Object.entries(ENDPOINTS)) {
    for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"]) {
      if (methods.includes(method)) continue;
      const answer = await ask(method, endpoint);
      if (method === "HEAD") assert.deepEqual([answer.status, answer.text], [405, ""], `HEAD ${endpoint}`);
      else assertText(answer, 405, "Method not supported");
    }
    const { status } = await ask("PATCH", endpoint, {});
    assert.ok(status === 405 || status === 501, `PATCH ${endpoint}: ${status}`);
  }
});

test("an unknown path is 404 for every method; paths are matched exactly", async () => {
  const paths = ["/unknown", "/session/unknown", "/HANDSHAKE", "/hello/x", "//hello", "/hell%6f%00", "/session/verify/x"];
  // Newer protocols have a hello as well, and do not mind how it is spelled.
  const own = Object.keys(ENDPOINTS).filter((endpoint) => endpoint !== "/hello");
  for (const unknown of [...paths, ...own.map((endpoint) => `${endpoint}/`)]) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS"]) {
      assertText(await ask(method, unknown, method === "GET" ? undefined : {}), 404, "Not found");
    }
    assert.equal((await ask("HEAD", unknown)).status, 404);
  }
});

test("a missing query parameter is named", async () => {
  assertText(await ask("GET", "/session/data"), 400, missing("sessionHandle"));
  assertText(await ask("GET", "/session/data?sessionhandle=x"), 400, missing("sessionHandle"));
  assertText(await ask("GET", "/session/user"), 400, missing("userId"));
  assertText(await ask("GET", "/session/user?user=x"), 400, missing("userId"));
});

const WITH_BODY = [
  ["POST", "/handshake"],
  ["POST", "/session"],
  ["DELETE", "/session"],
  ["POST", "/session/verify"],
  ["POST", "/session/refresh"],
  ["PUT", "/session/data"],
];

test("a body that is not a JSON object is refused", async () => {
  const cut = '{"userId":"bad-body","userDataInJWT":{},"userDataInDatabase":{}';
  for (const body of ["", " ", "null", "1", '"text"', "[]", "[{}]", "{", "}", "{}{}", "{} x", cut, "{'a':1}", "{a:1}", '{"a":NaN}']) {
    for (const [method, endpoint] of WITH_BODY) {
      assertText(await sendText(method, endpoint, body), 400, "Invalid Json Input");
    }
  }
  for (const [method, endpoint] of WITH_BODY) assertText(await ask(method, endpoint), 400, "Invalid Json Input");
  assert.deepEqual(await handles("bad-body"), []);
});

const TEXT = { wrong: [null, 1, true, ["text"], { text: 1 }], good: "text" };
const OBJECT = { wrong: [null, 1, true, "{}", [], [{}]], good: {} };
const BOOLEAN = { wrong: [null, 0, 1, "true", [true], {}], good: false };
const TEXTS = { wrong: [null, "text", 1, {}, [1], ["text", null], [["text"]]], good: [] };

const FIELDS = [
  ["POST", "/session", { userId: TEXT, userDataInJWT: OBJECT, userDataInDatabase: OBJECT }],
  ["POST", "/session/verify", { accessToken: TEXT, antiCsrfToken: { ...TEXT, optional: true }, doAntiCsrfCheck: BOOLEAN }],
  ["POST", "/session/refresh", { refreshToken: TEXT }],
  ["PUT", "/session/data", { sessionHandle: TEXT, userDataInDatabase: OBJECT }],
];

for (const [method, endpoint, fields] of FIELDS) {
  test(`${method} ${endpoint}: each field is of its type, and the first that is not is named`, async () => {
    const names = Object.keys(fields);
    for (const [position, name] of names.entries()) {
      const { wrong, optional } = fields[name];
      const good = Object.fromEntries(names.slice(0, position).map((before) => [before, fields[before].good]));
      // What comes later is wrong as well, and must not be named.
      const later = Object.fromEntries(names.slice(position + 1).map((name) => [name, null]));
      for (const value of wrong) {
        assertText(await ask(method, endpoint, { ...later, ...good, [name]: value }), 400, invalid(name));
      }
      if (!optional) assertText(await ask(method, endpoint, { ...later, ...good }), 400, invalid(name));
    }
    assert.deepEqual(await handles("text"), []);
  });
}

test("DELETE /session: each field is of its type", async () => {
  const cases = [
    ["userId", TEXT.wrong],
    ["sessionHandle", TEXT.wrong],
    ["sessionHandles", TEXTS.wrong],
  ];
  for (const [name, wrong] of cases) {
    for (const value of wrong) assertText(await ask("DELETE", "/session", { [name]: value }), 400, invalid(name));
  }
});

test("what JSON readers disagree on is refused, and nothing is written", async () => {
  const { session } = await create("json", {}, { kept: true });
  const deep = (levels) => `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const nested = (levels) => '{"a":'.repeat(levels) + "1" + "}".repeat(levels);
  const objects = [
    '{"a":1,"a":2}',
    '{"x":{"a":1,"\\u0061":2}}',
    '{"a":"\\ud800"}',
    '{"\\udc00":1}',
    '{"a":1e400}',
    '{"a":01}',
    '{"a":1,}',
    '{/**/"a":1}',
    '{"a":"\t"}',
    deep(10_000),
    nested(10_000),
  ];
  for (const object of objects) {
    const answers = [
      await sendText("POST", "/session", `{"userId":"odd","userDataInJWT":{},"userDataInDatabase":${object}}`),
      await sendText("POST", "/session", `{"userId":"odd","userDataInJWT":${object},"userDataInDatabase":{}}`),
      await sendText("PUT", "/session/data", `{"sessionHandle":"${session.handle}","userDataInDatabase":${object}}`),
    ];
    for (const { status, text } of answers) assert.equal(status, 400, `${object.slice(0, 30)}: ${text.slice(0, 200)}`);
  }
  for (const body of [
    '{"userId":"odd","userId":"odd","userDataInJWT":{},"userDataInDatabase":{}}',
    '{"userId":"odd","userDataInJWT":{},"userDataInJWT":{},"userDataInDatabase":{}}',
    '{"userId":"odd\\ud83d","userDataInJWT":{},"userDataInDatabase":{}}',
    Buffer.from('{"userId":"odd\xff","userDataInJWT":{},"userDataInDatabase":{}}', "latin1"),
  ]) {
    assert.equal((await sendText("POST", "/session", body)).status, 400, String(body));
  }
  const twice = `{"sessionHandle":"nobody","sessionHandle":"${session.handle}"}`;
  assert.equal((await sendText("DELETE", "/session", twice)).status, 400);

  assert.deepEqual(await handles("odd"), []);
  assert.deepEqual(await data(session.handle), { status: "OK", userDataInDatabase: { kept: true } });
});

test("objects may nest a hundred levels deep", async () => {
  let value = {};
  for (let level = 0; level < 100; level++) value = { value };
  const { session } = await create("nested", {}, value);
  assert.deepEqual((await data(session.handle)).userDataInDatabase, value);
});

test("tokens that were not made here are refused as tokens, however they look", async () => {
  const { session, accessToken, antiCsrfToken, refreshToken } = await create("hostile-token");
  const huge = "A".repeat(1024 * 1024 - 1024);
  const odd = ["", ".", "..", "...", "....", " ", "\u0000", "' OR 1=1 --", "é", "x.V1", huge, `${huge}.${huge.slice(-10)}.`];
  for (const token of odd) {
    assertRefused(await verifyToken(token, antiCsrfToken), "TRY_REFRESH_TOKEN");
    assertRefused(await refresh(token), "UNAUTHORISED");
  }

  for (const [real, refuse] of [
    [accessToken.token, async (token) => assertRefused(await verifyToken(token, antiCsrfToken), "TRY_REFRESH_TOKEN")],
    [refreshToken.token, async (token) => assertRefused(await refresh(token), "UNAUTHORISED")],
  ]) {
    const step = Math.max(1, Math.floor(real.length / 40));
    for (let at = 0; at < real.length; at += step) {
      await refuse(real.slice(0, at));
      await refuse(real.slice(0, at) + flipped(real[at]) + real.slice(at + 1));
      await refuse(real.slice(0, at) + "." + real.slice(at));
    }
    // Exactly these bytes and no others that decode to the same.
    for (const token of [` ${real}`, `${real} `, `${real}\n`, `${real}.V1`, `${real}=`, real.replace(/.$/, flipped)]) await refuse(token);
  }
  assert.equal((await verifyToken(accessToken.token, antiCsrfToken)).status, "OK");
  assert.equal((await refresh(refreshToken.token)).status, "OK");
  assert.deepEqual(await handles("hostile-token"), [session.handle]);
});

/** Another letter of the same alphabet, with one bit of its meaning changed. */
function flipped(letter) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const at = alphabet.indexOf(letter);
  return at < 0 ? "A" : alphabet[at ^ 32];
}

test("ids with quotes, NULs and wildcards name nothing but themselves", async () => {
  const kept = (await create("o'hara")).session.handle;
  for (const odd of ["'", '"', "' OR '1'='1", "\\", "%", "_", "*", "\u0000", "o'hara\u0000", "$1", "{}"]) {
    assert.deepEqual(await data(odd), GONE);
    const put = await ask("PUT", "/session/data", { sessionHandle: odd, userDataInDatabase: {} });
    assert.deepEqual(json(put), GONE);
    const revoked = json(await ask("DELETE", "/session", { sessionHandles: [odd] }));
    assert.equal(revoked.numberOfSessionsRevoked, 0);
    // An id that cannot be anybody's is either refused or nobody's.
    for (const answer of [
      await ask("GET", `/session/user?userId=${encodeURIComponent(odd)}`),
      await ask("DELETE", "/session", { userId: odd }),
    ]) {
      if (answer.status === 400) continue;
      const { sessionHandles = [], numberOfSessionsRevoked = 0 } = json(answer);
      assert.deepEqual([sessionHandles, numberOfSessionsRevoked], [[], 0]);
    }
  }
  assert.deepEqual(await handles("o'hara"), [kept]);
});

test("a user id that no store could keep is refused by name", async () => {
  for (const userId of ["x".repeat(129), "a\u0000b"]) {
    const answer = await ask("POST", "/session", { userId, userDataInJWT: {}, userDataInDatabase: {} });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /user/i);
  }
  assert.equal((await create("é".repeat(128))).status, "OK");
});
