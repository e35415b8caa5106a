// Three servers on one PostgreSQL database, named to an old SDK and to a new one. One is killed while they work: calls that were
// on their way may be lost, every later one goes to the others, and no session suffers.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { send } from "./support/http.mjs";
import { check, sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

const url = process.env.HANDSTAMP_TEST_POSTGRES;
const skip = url || process.env.CI === "true" ? false : "HANDSTAMP_TEST_POSTGRES names no server";

const require = createRequire(import.meta.url);
const newest = require("supertokens-node-24");
const newestSession = require("supertokens-node-24/recipe/session");

/** What the SDKs say of sessions, and must not say of these. */
const NAMES = ["UNAUTHORISED", "TRY_REFRESH_TOKEN", "TOKEN_THEFT_DETECTED"];
const ABOUT_SESSIONS = new Set([...NAMES, ...NAMES.map((name) => sdk.Error[name])]);

let servers = [];

before(async () => {
  if (skip) return;
  const database = `${url}${url.includes("?") ? "&" : "?"}schema=three_servers_${process.pid}`;
  // All find an empty schema, and have to agree on who makes the tables and the keys.
  servers = await Promise.all(Array.from({ length: 3 }, () => startServer({ database })));
  sdk.init(servers);
  newest.init({
    telemetry: false,
    supertokens: { connectionURI: servers.map((server) => server.url).join(";") },
    appInfo: { appName: "tests", apiDomain: "http://localhost:3000", websiteDomain: "http://localhost:3000" },
    recipeList: [newestSession.init({ antiCsrf: "NONE" })],
  });
});

after(() => Promise.all(servers.map((server) => server.kill())));

/** One who signs in, refreshes, is checked and signs out, by the SDK's first release. */
async function first(user, run) {
  let tokens = await run(() => sdk.createNewSession(user, {}, { n: 0 }));
  const { handle } = tokens.session;
  for (let n = 1; n < 6; n++) {
    tokens = await run(() => sdk.refreshSession(tokens.refreshToken.token));
    assert.equal((await run(() => check(tokens))).session.userId, user);
    await run(() => sdk.updateSessionData(handle, { n }));
    assert.deepEqual(await run(() => sdk.getSessionData(handle)), { n });
  }
  await run(() => sdk.revokeSessionUsingSessionHandle(handle));
}

/** The same by its newest. */
async function last(user, run) {
  const recipeUser = newest.convertToRecipeUserId(user);
  let session = await run(() => newestSession.createNewSessionWithoutRequestResponse("public", recipeUser, {}, { n: 0 }));
  const handle = session.getHandle();
  for (let n = 1; n < 6; n++) {
    const { refreshToken } = session.getAllSessionTokensDangerously();
    session = await run(() => newestSession.refreshSessionWithoutRequestResponse(refreshToken, true));
    const { accessToken } = session.getAllSessionTokensDangerously();
    const checked = await run(() => newestSession.getSessionWithoutRequestResponse(accessToken, undefined, { checkDatabase: true }));
    assert.equal(checked.getUserId(), user);
    await run(() => session.updateSessionDataInDatabase({ n }));
    assert.deepEqual(await run(() => session.getSessionDataFromDatabase()), { n });
  }
  await run(() => newestSession.revokeSession(handle));
}

test("all have the same signing key", { skip }, async () => {
  const handshakes = await Promise.all(servers.map((server) => send(server, "POST", "/handshake", { json: {} })));
  const keys = new Set(handshakes.map(({ text }) => JSON.parse(text).jwtSigningPublicKey));
  assert.equal(keys.size, 1);
  assert.ok(![...keys].includes(undefined));
});

test("a server is killed, and both SDKs go on with the others", { skip }, async (t) => {
  let dying = false;
  let calls = 0;
  let again = 0;
  /** What was on its way to the server that died is asked again, as an application would. */
  const run = async (call) => {
    for (;;) {
      try {
        const answer = await call();
        calls++;
        return answer;
      } catch (error) {
        assert.ok(!ABOUT_SESSIONS.has(error.errType ?? error.type), `an honest client was told ${error.errType ?? error.type}`);
        assert.ok(dying, `nobody had died: ${error.err?.stack ?? error.stack}`);
        again++;
      }
    }
  };
  const users = (name) =>
    Array.from({ length: 6 }, (_, n) => [first(`first-${name}-${n}`, run), last(`last-${name}-${n}`, run)]).flat();

  await Promise.all(users("before"));
  const before = calls;
  const working = users("during");
  while (calls < before + 60) await new Promise(setImmediate);
  dying = true;
  await servers[0].kill();
  await Promise.all(working);
  assert.ok(again > 0, "no call met the server that died");
  // The SDKs go on to the next server with each try, whoever's it is: among many callers, one may try the dead one each time.
  // One after the other, every call is answered.
  dying = false;
  const during = calls;
  for (let n = 0; n < 3; n++) {
    await first(`first-after-${n}`, run);
    await last(`last-after-${n}`, run);
  }
  t.diagnostic(`${calls} calls, ${calls - during} of them after the death; ${again} were asked again`);
});
