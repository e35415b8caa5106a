// What is particular to a server elsewhere: keys that change, a server that goes away, answers that are none.
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import path from "node:path";
import { test } from "node:test";

import { withSessions } from "../index.mjs";
import { open, serve, temporaryFolder } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";
import { hostOf, nobody, pretend } from "./support/hosts.mjs";

test("what the server refuses is a GENERAL_ERROR with its words", async () => {
  const server = await pretend((req, res) => res.writeHead(500).end("Internal Error\n"));
  const { code, message } = await failsWith("GENERAL_ERROR", open([hostOf(server)]).createNewSession("x"));
  assert.equal(code, "REFUSED");
  assert.match(message, /POST \/session with status code: 500 and message: Internal Error$/);
});

test("what is no answer of a server is a GENERAL_ERROR", async () => {
  for (const text of ["", "<html>", "[]", "null", "{}", '{"jwtSigningPublicKey":1}', '{"jwtSigningPublicKey":"x"}']) {
    const server = await pretend((req, res) => res.end(text));
    const sdk = open([hostOf(server)]);
    for (const call of [() => sdk.ready(), () => sdk.createNewSession("x"), () => sdk.getSession("x")]) {
      assert.equal((await failsWith("GENERAL_ERROR", call())).code, "REFUSED", text);
    }
  }
});

/** Answers of a server, which are right; and what each request of this package is. */
const TIMES = { expiry: 2_000_000_000_000, createdTime: 1 };
const COOKIE = { ...TIMES, token: "t", cookiePath: "/", cookieSecure: true, domain: "sessions.test" };
const WHO = { handle: "h", userId: "u" };
const SESSION = { ...WHO, userDataInJWT: { a: 1 } };
const KEY = {
  jwtSigningPublicKey: generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "der", type: "spki" }).toString("base64"),
  jwtSigningPublicKeyExpiryTime: 9_223_372_036_854_775_807,
};
const COOKIES = { cookieDomain: "sessions.test", cookieSecure: true, accessTokenPath: "/", refreshTokenPath: "/session/refresh" };
const ISSUED = { session: SESSION, accessToken: COOKIE, refreshToken: COOKIE, idRefreshToken: { ...TIMES, token: "t" }, antiCsrfToken: "c" };
const ANSWERS = {
  "POST /handshake": { ...KEY, ...COOKIES, enableAntiCsrf: true, accessTokenBlacklistingEnabled: false },
  "POST /session": { ...ISSUED, ...KEY },
  "POST /session/verify": { ...KEY, session: SESSION, accessToken: COOKIE },
  "POST /session/refresh": ISSUED,
  "DELETE /session": { numberOfSessionsRevoked: 1 },
  "GET /session/user": { sessionHandles: ["h"] },
  "GET /session/data": { userDataInDatabase: { n: 1 } },
};
const CALLS = {
  "POST /handshake": (sdk) => sdk.ready(),
  "POST /session": (sdk) => sdk.createNewSession("u"),
  "POST /session/verify": (sdk) => sdk.getSession("t"),
  "POST /session/refresh": (sdk) => sdk.refreshSession("t"),
  "DELETE /session": (sdk) => sdk.revokeSessionUsingSessionHandle("h"),
  "GET /session/user": (sdk) => sdk.getAllSessionHandlesForUser("u"),
  "GET /session/data": (sdk) => sdk.getSessionData("h"),
};

/** A server that answers each request as it should, but for what `different` says. */
const answering = (different = {}) =>
  pretend((req, res) => {
    const asked = `${req.method} ${req.url.split("?")[0]}`;
    const answer = asked in different ? different[asked] : { status: "OK", ...ANSWERS[asked] };
    if (answer === "hang up") req.socket.destroy();
    else res.end(JSON.stringify(answer));
  });

test("an answer that lacks something is none, whichever it is and whatever it lacks", async () => {
  const right = open([hostOf(await answering())]);
  for (const call of Object.values(CALLS)) await call(right);
  const without = (object, name) => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
  const OPTIONAL = ["antiCsrfToken", "cookieDomain", "domain"];
  for (const [asked, answer] of Object.entries(ANSWERS)) {
    const wrong = [{}, { ...answer, status: "FINE" }];
    for (const [name, value] of Object.entries(answer)) {
      if (!OPTIONAL.includes(name) && !(asked.endsWith("verify") && name === "accessToken")) wrong.push(without(answer, name));
      wrong.push({ ...answer, [name]: null });
      if (typeof value !== "object" || name.startsWith("userData")) continue;
      for (const part of Object.keys(value)) {
        wrong.push({ ...answer, [name]: Array.isArray(value) ? [null] : { ...value, [part]: null } });
        if (!OPTIONAL.includes(part) && !Array.isArray(value)) wrong.push({ ...answer, [name]: without(value, part) });
      }
    }
    for (const answer of wrong) {
      const sdk = open([hostOf(await answering({ [asked]: { status: "OK", ...answer } }))]);
      const { code, outcomeUnknown } = await failsWith("GENERAL_ERROR", CALLS[asked](sdk));
      assert.equal(code, "REFUSED", `${asked}: ${JSON.stringify(answer)}`);
      assert.equal(outcomeUnknown, !asked.startsWith("GET") && !asked.endsWith("handshake"), asked);
    }
  }
});

test("only what is asked of a session can be answered by that there is none", async () => {
  const message = "gone";
  for (const [asked, call] of Object.entries(CALLS)) {
    const sdk = open([hostOf(await answering({ [asked]: { status: "UNAUTHORISED", message } }))]);
    const isOfSession = /data|verify|refresh/.test(asked);
    const error = await failsWith(isOfSession ? "UNAUTHORISED" : "GENERAL_ERROR", call(sdk));
    assert.equal(error.code, isOfSession ? "UNAUTHORISED" : "REFUSED");
    if (isOfSession) assert.equal(error.message, message);
  }
});

test("a theft is told even if the session cannot be ended, and why not is its cause", async () => {
  const theft = { status: "TOKEN_THEFT_DETECTED", session: WHO };
  for (const [ending, code] of [["hang up", "UNAVAILABLE"], [{ status: "OK" }, "REFUSED"]]) {
    const server = await answering({ "POST /session/refresh": theft, "DELETE /session": ending });
    const error = await failsWith("TOKEN_THEFT_DETECTED", open([hostOf(server)]).refreshSession("t"));
    assert.deepEqual(error.err, { sessionHandle: "h", userId: "u" });
    assert.equal(error.cause.code, code);
    assert.deepEqual(server.seen, ["POST /session/refresh", "DELETE /session"]);
  }
  const server = await answering({ "POST /session/refresh": theft });
  assert.equal((await failsWith("TOKEN_THEFT_DETECTED", open([hostOf(server)]).refreshSession("t"))).cause, undefined);
  const nameless = await answering({ "POST /session/refresh": { ...theft, session: {} } });
  assert.equal((await failsWith("GENERAL_ERROR", open([hostOf(nameless)]).refreshSession("t"))).code, "REFUSED");
});

test("what the server says of cookies has to fit into one, before a session is made", async () => {
  for (const [setting, value] of [["cookieDomain", "a b"], ["accessTokenPath", "/a;b"], ["refreshTokenPath", "/é"]]) {
    const server = await answering({ "POST /handshake": { status: "OK", ...ANSWERS["POST /handshake"], [setting]: value } });
    const { createNewSession } = withSessions(open([hostOf(server)]));
    const { code, message } = await failsWith("GENERAL_ERROR", createNewSession({ getHeader() {}, setHeader() {} }, "u"));
    assert.equal(code, "REFUSED");
    assert.match(message, new RegExp(`${setting} cannot be in a cookie$`));
    assert.deepEqual(server.seen, ["POST /handshake"]);
  }
});

test("an API key goes along", async () => {
  const apiKey = "a-key-of-twenty-characters";
  const server = await serve({ settings: { API_KEYS: apiKey } });
  await open({ hosts: [hostOf(server)], apiKey }).createNewSession("key");
  const { message } = await failsWith("GENERAL_ERROR", open([hostOf(server)]).createNewSession("key"));
  assert.match(message, /401/);
});

test("a verified token needs the server no more", async () => {
  const server = await serve();
  const sdk = open([hostOf(server)]);
  const made = await sdk.createNewSession("offline");
  const other = await sdk.createNewSession("offline-too");
  await sdk.getSession(made.accessToken.token, made.antiCsrfToken);
  await server.stop();
  await sdk.getSession(made.accessToken.token, made.antiCsrfToken);
  // Nor does one that only its signature speaks for.
  await sdk.getSession(other.accessToken.token, other.antiCsrfToken);
  assert.equal((await failsWith("GENERAL_ERROR", sdk.getSession("x"))).code, "UNAVAILABLE");
});

test("a key that the server has made since is learnt", async () => {
  const database = `sqlite:${path.join(temporaryFolder(), "sessions.db")}`;
  const server = await serve({ database });
  const [sdk, maker] = [open([hostOf(server)]), open({ database, signingKeyInterval: 1000 })];
  const shaken = await fetch(`${server.url}/handshake`, { method: "POST", body: "{}" });
  const first = createPublicKey({ key: Buffer.from((await shaken.json()).jwtSigningPublicKey, "base64"), format: "der", type: "spki" });
  await sdk.ready();
  // Makes a session, until one is signed by another key than the first.
  const next = async () => {
    const made = await maker.createNewSession("keys");
    const [header, payload, signature] = made.accessToken.token.split(".");
    const isOfFirst = verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), first, Buffer.from(signature, "base64"));
    return isOfFirst ? next() : made;
  };
  const made = await next();
  const found = await sdk.getSession(made.accessToken.token, made.antiCsrfToken);
  assert.equal(found.session.userId, "keys");
});

test("where the server looks into its database each time, so does a check", async () => {
  const server = await serve({ settings: { ACCESS_TOKEN_BLACKLISTING: "true" } });
  for (const sdk of [open([hostOf(server)]), open({ database: "memory:", accessTokenBlacklisting: true })]) {
    const made = await sdk.createNewSession("blacklisted");
    for (let turn = 0; turn < 2; turn++) await sdk.getSession(made.accessToken.token, made.antiCsrfToken);
    await sdk.revokeSessionUsingSessionHandle(made.session.handle);
    await failsWith("UNAUTHORISED", sdk.getSession(made.accessToken.token, made.antiCsrfToken));
  }
});

test("without anti-CSRF there is no such token, and nothing to compare", async () => {
  const server = await serve({ settings: { ENABLE_ANTI_CSRF: "false" } });
  for (const sdk of [open([hostOf(server)]), open({ database: "memory:", enableAntiCsrf: false })]) {
    const made = await sdk.createNewSession("without");
    assert.equal(made.antiCsrfToken, undefined);
    await sdk.getSession(made.accessToken.token, undefined, true);
    await sdk.getSession(made.accessToken.token, "whatever");
  }
});

test("versions of session data need the engine here, and say so", async () => {
  const sdk = open([await nobody()]);
  assert.equal((await failsWith("GENERAL_ERROR", sdk.readSessionData("x"))).code, "NOT_SUPPORTED");
  assert.equal((await failsWith("GENERAL_ERROR", sdk.writeSessionData("x", {}))).code, "NOT_SUPPORTED");
});
