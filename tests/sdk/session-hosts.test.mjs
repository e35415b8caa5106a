// Several servers are named to the SDK and one is not there; then none is.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, test } from "node:test";

import { check, failsWith, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

let server;

/** A port that refuses connections: it was free a moment ago. */
async function closedPort() {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

before(async () => {
  server = await startServer();
  sdk.init([{ hostname: "127.0.0.1", port: await closedPort() }, { hostname: server.hostname, port: server.port }]);
});

after(() => server?.stop());

test("calls go round the server that is down", async () => {
  // The SDK begins with the next host each time: an odd number of calls has met both first.
  for (let turn = 0; turn < 5; turn++) {
    const created = await sdk.createNewSession("fail-over");
    await check(created);
    const next = await sdk.refreshSession(created.refreshToken.token);
    await check(next);
    await sdk.updateSessionData(created.session.handle, { turn });
    assert.deepEqual(await sdk.getSessionData(created.session.handle), { turn });
  }
  assert.equal((await sdk.getAllSessionHandlesForUser("fail-over")).length, 5);
  assert.equal(await sdk.revokeAllSessionsForUser("fail-over"), 5);
});

test("with no server left every call is a GENERAL_ERROR, but a confirmed token is still checked", async () => {
  const created = await sdk.createNewSession("core-down");
  const unconfirmed = await sdk.refreshSession(created.refreshToken.token);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });

  assert.equal((await check(created)).session.userId, "core-down");
  const { handle } = created.session;
  for (const call of [
    () => sdk.createNewSession("core-down"),
    () => check(unconfirmed),
    () => sdk.refreshSession(created.refreshToken.token),
    () => sdk.getSessionData(handle),
    () => sdk.updateSessionData(handle, {}),
    () => sdk.getAllSessionHandlesForUser("core-down"),
    () => sdk.revokeAllSessionsForUser("core-down"),
    () => sdk.revokeSessionUsingSessionHandle(handle),
  ]) {
    const error = await failsWith("GENERAL_ERROR", call());
    assert.equal(error.message, "No SuperTokens core available to query");
  }
});
