// Tokens and sessions that end. The waits are for the ends that the tokens themselves tell.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { check, failsWith, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";
import { past } from "./support/wait.mjs";

let server;

before(async () => {
  // 1 s, and 0.1 min = 6 s.
  server = await startServer({ settings: { ACCESS_TOKEN_VALIDITY: "1", REFRESH_TOKEN_VALIDITY: "0.1" } });
  sdk.init([server]);
});

after(() => server?.stop());

test("an access token that has ended asks for a refresh, which helps", async () => {
  const created = await sdk.createNewSession("short");
  assert.equal(created.accessToken.expiry - created.accessToken.createdTime, 1000);
  await past(created.accessToken.expiry);
  const refused = await failsWith("TRY_REFRESH_TOKEN", check(created));
  assert.equal(refused.message, "Access token expired");

  const next = await sdk.refreshSession(created.refreshToken.token);
  assert.ok(next.accessToken.expiry > created.accessToken.expiry);
  assert.ok(next.refreshToken.expiry > created.refreshToken.expiry, "a refresh prolongs the session");
});

test("a session that has ended is gone for every call", async () => {
  const created = await sdk.createNewSession("ended");
  const { handle } = created.session;
  await past(created.refreshToken.expiry);
  await failsWith("UNAUTHORISED", sdk.refreshSession(created.refreshToken.token));
  await failsWith("TRY_REFRESH_TOKEN", check(created));
  await failsWith("UNAUTHORISED", sdk.getSessionData(handle));
  await failsWith("UNAUTHORISED", sdk.updateSessionData(handle, {}));
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("ended"), []);
});
