// Sessions in SQLite outlive the server, however it ends. The SDK keeps one address throughout: a proxy's.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";

import { startProxy } from "./support/proxy.mjs";
import { check, failsWith, holding, sdk } from "./support/sdk.mjs";
import { startServer, temporaryFolder } from "./support/server.mjs";

const database = `sqlite:${path.join(temporaryFolder(), "sessions.db")}`;
let server;
let core;

before(async () => {
  server = await startServer({ database });
  core = await startProxy(server);
  sdk.init([core]);
});

after(async () => {
  await core?.close();
  await server?.stop();
});

const ends = {
  SIGTERM: { end: () => server.stop(), outcome: { code: 0, signal: null } },
  SIGINT: { end: () => server.interrupt(), outcome: { code: 0, signal: null } },
  SIGKILL: { end: () => server.kill(), outcome: { code: null, signal: "SIGKILL" } },
};

for (const [signal, { end, outcome }] of Object.entries(ends)) {
  test(`after ${signal} and a new start everything is as it was`, async () => {
    const user = `restart-${signal}`;
    const created = await sdk.createNewSession(user, { role: null }, { n: 0 });
    const refreshed = await sdk.createNewSession(user);
    const second = await sdk.refreshSession(refreshed.refreshToken.token);
    const confirmed = await check(second);
    const revoked = await sdk.createNewSession(user);
    const unconfirmed = await sdk.refreshSession((await sdk.createNewSession(user)).refreshToken.token);
    await sdk.updateSessionData(created.session.handle, { n: 1, text: "é" });
    await sdk.revokeSessionUsingSessionHandle(revoked.session.handle);

    assert.deepEqual(await end(), outcome);
    assert.equal(server.printed.length, 1, "one line on standard output");
    server = await startServer({ database });
    core.passTo(server);

    // Tokens of before are verified by the same key.
    const verified = await core.during(() => check(unconfirmed));
    assert.deepEqual(verified.requests, ["POST /session/verify"]);
    assert.notEqual(verified.result.accessToken, undefined);
    const local = await core.during(() => check(holding(second, confirmed)));
    assert.deepEqual(local.requests, []);

    const handles = [created, refreshed, unconfirmed].map(({ session }) => session.handle).sort();
    assert.deepEqual((await sdk.getAllSessionHandlesForUser(user)).sort(), handles);
    assert.deepEqual(await sdk.getSessionData(created.session.handle), { n: 1, text: "é" });
    const renewed = await sdk.refreshSession(created.refreshToken.token);
    assert.deepEqual(renewed.session, created.session);
    await check(renewed);

    await failsWith("UNAUTHORISED", sdk.refreshSession(revoked.refreshToken.token));
    const third = await sdk.refreshSession(second.refreshToken.token);
    await check(third);
    await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(refreshed.refreshToken.token));
  });
}

test("a refresh repeated after a restart brings the same token", async () => {
  const first = await sdk.createNewSession("repeat-after-restart");
  const second = await sdk.refreshSession(first.refreshToken.token);
  await server.kill();
  // A window that outlasts any restart: this is about the bytes, not about the time.
  server = await startServer({ database, settings: { REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "300" } });
  core.passTo(server);
  const again = await sdk.refreshSession(first.refreshToken.token);
  assert.equal(again.refreshToken.token, second.refreshToken.token);
  assert.equal(again.antiCsrfToken, second.antiCsrfToken);
});
