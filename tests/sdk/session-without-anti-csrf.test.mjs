// Anti-CSRF switched off: no tokens, and no checks whatever the caller asks for. Other cookie settings, while at it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startProxy } from "./support/proxy.mjs";
import { check, holding, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

let server;
let core;

before(async () => {
  server = await startServer({
    settings: {
      ENABLE_ANTI_CSRF: "false",
      COOKIE_DOMAIN: ".example.com",
      COOKIE_SECURE: "false",
      ACCESS_TOKEN_PATH: "/api",
      REFRESH_API_PATH: "/api/renew",
      ACCESS_TOKEN_VALIDITY: "120",
      REFRESH_TOKEN_VALIDITY: "2.5",
    },
  });
  core = await startProxy(server);
  sdk.init([core]);
});

after(async () => {
  await core?.close();
  await server?.stop();
});

test("no anti-CSRF token is made, and none is needed", async () => {
  const created = await sdk.createNewSession("no-csrf");
  assert.ok(!("antiCsrfToken" in created));
  const local = await core.during(() => check(created, true));
  assert.deepEqual(local.requests, []);

  const second = await sdk.refreshSession(created.refreshToken.token);
  assert.ok(!("antiCsrfToken" in second));
  const confirmed = await core.during(() => check(second, true));
  assert.deepEqual(confirmed.requests, ["POST /session/verify"]);
  const next = await core.during(() => check(holding(second, confirmed.result), true));
  assert.deepEqual(next.requests, []);
});

test("tokens carry the settings of their cookies, wherever they come from", async () => {
  const created = await sdk.createNewSession("cookies");
  const second = await sdk.refreshSession(created.refreshToken.token);
  const confirmed = await check(second);
  for (const { accessToken } of [created, second, confirmed]) {
    assert.equal(accessToken.domain, ".example.com");
    assert.equal(accessToken.cookieSecure, false);
    assert.equal(accessToken.cookiePath, "/api");
    assert.equal(accessToken.expiry - accessToken.createdTime, 120_000);
  }
  for (const { refreshToken } of [created, second]) {
    assert.equal(refreshToken.domain, ".example.com");
    assert.equal(refreshToken.cookieSecure, false);
    assert.equal(refreshToken.cookiePath, "/api/renew");
  }
  assert.equal(created.refreshToken.expiry - created.refreshToken.createdTime, 150_000);
});
