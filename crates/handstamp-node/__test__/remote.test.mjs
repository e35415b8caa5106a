// What is particular to a server elsewhere: several hosts, keys that change, a server that goes away.
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import path from "node:path";
import { after, test } from "node:test";

import { open, serve, temporaryFolder } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";

const hostOf = ({ hostname, port }) => ({ hostname, port });

/** A port at which nobody listens: one that was free a moment ago. */
async function nobody() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return { hostname: "127.0.0.1", port };
}

/** A server that answers everything as told, and counts. */
async function pretend(answer) {
  const seen = [];
  const listener = createServer((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    answer(req, res);
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  return { hostname: "127.0.0.1", port: listener.address().port, seen };
}

test("where nobody listens, the next host is asked", async () => {
  const server = await serve();
  const sdk = open([await nobody(), hostOf(server), await nobody()]);
  for (let turn = 0; turn < 4; turn++) {
    const made = await sdk.createNewSession("fail-over");
    await sdk.getSession(made.accessToken.token, made.antiCsrfToken);
  }
  assert.equal((await sdk.getAllSessionHandlesForUser("fail-over")).length, 4);
});

test("where nobody listens, the next host is asked, by each of many at once", async () => {
  const sdk = open([await nobody(), hostOf(await serve())]);
  await Promise.all(Array.from({ length: 8 }, () => sdk.createNewSession("together")));
  assert.equal((await sdk.getAllSessionHandlesForUser("together")).length, 8);
});

test("where nobody listens anywhere, it is said so, and tried again", async () => {
  const sdk = open([await nobody(), await nobody()]);
  for (const call of [() => sdk.ready(), () => sdk.createNewSession("x"), () => sdk.getSession("x")]) {
    assert.equal((await failsWith("GENERAL_ERROR", call())).code, "UNAVAILABLE");
  }
});

test("a request that may have been carried out is not sent to the next host", async () => {
  const lost = await pretend((req) => req.socket.destroy());
  const server = await serve();
  const sdk = open([hostOf(lost), hostOf(server)]);
  assert.equal((await failsWith("GENERAL_ERROR", sdk.createNewSession("lost"))).code, "UNAVAILABLE");
  assert.deepEqual(lost.seen, ["POST /session"]);
});

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

test("a server that does not answer is given up", async () => {
  const server = await pretend(() => {});
  const sdk = open({ hosts: [hostOf(server)], timeout: 50 });
  assert.equal((await failsWith("GENERAL_ERROR", sdk.createNewSession("x"))).code, "UNAVAILABLE");
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
