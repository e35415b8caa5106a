// With blacklisting every check asks the store, so that a revocation counts at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startProxy } from "./support/proxy.mjs";
import { check, failsWith, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

let server;
let core;

before(async () => {
  server = await startServer({ settings: { ACCESS_TOKEN_BLACKLISTING: "true" } });
  core = await startProxy(server);
  sdk.init([core]);
});

after(async () => {
  await core?.close();
  await server?.stop();
});

test("every check asks the server, and a revoked session is refused at the next one", async () => {
  const created = await sdk.createNewSession("watched", { role: null });
  for (let turn = 0; turn < 2; turn++) {
    const { result, requests } = await core.during(() => check(created));
    assert.deepEqual(requests, ["POST /session/verify"]);
    assert.deepEqual(result, { session: created.session });
  }
  await sdk.revokeSessionUsingSessionHandle(created.session.handle);
  await failsWith("UNAUTHORISED", check(created));
});
