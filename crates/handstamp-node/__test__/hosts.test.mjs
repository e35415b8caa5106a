// Several addresses of a server: the next is asked where the request has surely not arrived, and only there.
import assert from "node:assert/strict";
import { Socket, createServer } from "node:net";
import { once } from "node:events";
import { after, test } from "node:test";

import { open, serve } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";
import { hanging, hostOf, nobody, pretend } from "./support/hosts.mjs";

/** Long for this machine, and short for who waits. */
const CONNECT_TIMEOUT = 1000;

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

test("a server that does not answer is given up", async () => {
  const server = await pretend(() => {});
  const sdk = open({ hosts: [hostOf(server)], timeout: 50 });
  assert.equal((await failsWith("GENERAL_ERROR", sdk.createNewSession("x"))).code, "UNAVAILABLE");
});

const ABSENT = {
  "nobody listens": nobody,
  "no connection is ever taken": hanging,
  "the name is nobody's": async () => ({ hostname: "nobody.invalid", port: 3567 }),
  // It does not say by which of this machine's networks.
  "there is no way to the address": async () => ({ hostname: "fe80::1", port: 3567 }),
};

for (const [why, absent] of Object.entries(ABSENT)) {
  test(`where ${why}, the next host is asked; and it is said where there is none`, async () => {
    const host = await absent();
    const server = await serve();
    const settings = { connectTimeout: CONNECT_TIMEOUT };
    const sdk = open({ ...settings, hosts: [host, hostOf(server)] });
    await sdk.createNewSession("absent");
    await sdk.createNewSession("absent");
    assert.equal((await sdk.getAllSessionHandlesForUser("absent")).length, 2);
    const { code, outcomeUnknown } = await failsWith("GENERAL_ERROR", open({ ...settings, hosts: [host] }).createNewSession("absent"));
    assert.deepEqual([code, outcomeUnknown], ["UNAVAILABLE", false]);
  });
}

test("a host that takes no connection is waited for by one request, and the others go by what that finds", async (t) => {
  const host = await hanging();
  const connects = t.mock.method(Socket.prototype, "connect").mock;
  const attempts = () => connects.calls.filter(({ arguments: [given] }) => [given].flat()[0].port === host.port).length;
  const sdk = open({ hosts: [host], connectTimeout: CONNECT_TIMEOUT });
  const round = () => Promise.all(Array.from({ length: 20 }, () => failsWith("GENERAL_ERROR", sdk.createNewSession("x"))));
  for (const error of await round()) assert.equal(error.code, "UNAVAILABLE");
  assert.equal(attempts(), 1);
  await round();
  assert.equal(attempts(), 2);
});

test("many at once, when the host is there, are all answered", async () => {
  const sdk = open([hostOf(await serve())]);
  const users = Array.from({ length: 50 }, (_, n) => `user-${n}`);
  await Promise.all(users.map((user) => sdk.createNewSession(user)));
  for (const user of users) assert.equal((await sdk.getAllSessionHandlesForUser(user)).length, 1);
});

test("a request that was lost on the way is said to be one that may have been carried out; one that only asks is not", async () => {
  const lost = await pretend((req) => req.socket.destroy());
  const sdk = open([hostOf(lost)]);
  assert.equal((await failsWith("GENERAL_ERROR", sdk.createNewSession("x"))).outcomeUnknown, true);
  assert.equal((await failsWith("GENERAL_ERROR", sdk.getSessionData("x"))).outcomeUnknown, false);
  assert.equal((await failsWith("GENERAL_ERROR", sdk.ready())).outcomeUnknown, false);
});

test("what is cut off in the middle is lost, and goes to no other host", async () => {
  const half = await pretend((req, res) => {
    res.writeHead(200, { "content-length": 100 });
    res.write('{"status":', () => res.destroy());
  });
  const other = await pretend((req, res) => res.end('{"status":"OK"}'));
  const { code, outcomeUnknown } = await failsWith("GENERAL_ERROR", open([hostOf(half), hostOf(other)]).createNewSession("x"));
  assert.deepEqual([code, outcomeUnknown, other.seen], ["UNAVAILABLE", true, []]);
});

test("a connection that is closed as soon as it is made goes to no other host", async () => {
  const listener = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(listener, "listening");
  after(() => listener.close());
  const other = await pretend((req, res) => res.end('{"status":"OK"}'));
  const host = { hostname: "127.0.0.1", port: listener.address().port };
  assert.equal((await failsWith("GENERAL_ERROR", open([host, hostOf(other)]).createNewSession("x"))).code, "UNAVAILABLE");
  assert.deepEqual(other.seen, []);
});

test("a server below a path is asked there", async () => {
  const { hostname, port } = await serve({ settings: { BASE_PATH: "/below/all" } });
  for (const end of ["/below/all", "/below/all/"]) {
    const sdk = open([{ hostname: hostname + end, port }]);
    const { session } = await sdk.createNewSession("below");
    assert.deepEqual(await sdk.getSessionData(session.handle), {});
  }
  assert.match((await failsWith("GENERAL_ERROR", open([{ hostname, port }]).ready())).message, /404/);
});

test("an IPv6 address may be written with and without brackets", async () => {
  const { port } = await nobody();
  for (const hostname of ["::1", "[::1]"]) {
    const { cause } = await failsWith("GENERAL_ERROR", open([{ hostname, port }]).ready());
    assert.match(cause.cause.message, new RegExp(`^nobody is there at \\[::1\\]:${port}: `));
  }
});

test("a close while nobody is reached yet asks nobody else, and waits for nothing", async () => {
  const server = await pretend(() => {});
  const sdk = open({ hosts: [await hanging(), hostOf(server)], connectTimeout: 60_000, timeout: 60_000 });
  const ready = sdk.ready();
  await new Promise(setImmediate);
  await sdk.close();
  assert.equal((await failsWith("GENERAL_ERROR", ready)).code, "CLOSED");
  assert.deepEqual(server.seen, []);
});
