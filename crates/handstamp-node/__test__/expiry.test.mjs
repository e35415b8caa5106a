// An access token's end is its end, however often it was good before.
import assert from "node:assert/strict";
import { test } from "node:test";

import { past } from "../../../tests/sdk/support/wait.mjs";
import { open, serve } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";

const BACKENDS = {
  "the engine": async () => open({ database: "memory:", accessTokenValidity: 1000 }),
  "a server": async () => {
    const { hostname, port } = await serve({ settings: { ACCESS_TOKEN_VALIDITY: "1" } });
    return open([{ hostname, port }]);
  },
};

for (const [backend, start] of Object.entries(BACKENDS)) {
  test(`an access token that has run out, on ${backend}`, async () => {
    const sdk = await start();
    await sdk.ready();
    const made = await sdk.createNewSession("expiry");
    // A machine so busy that the second is over already has nothing to say of this.
    for (let turn = 0; turn < 3; turn++) {
      const check = sdk.getSession(made.accessToken.token, made.antiCsrfToken);
      await check.catch((error) => assert.ok(Date.now() > made.accessToken.expiry, error.stack));
    }
    await past(made.accessToken.expiry);
    await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(made.accessToken.token, made.antiCsrfToken));
    const renewed = await sdk.refreshSession(made.refreshToken.token);
    assert.ok(renewed.accessToken.expiry > made.accessToken.expiry);
  });
}
