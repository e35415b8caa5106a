// Releases of supertokens-node from 1 to 24 behind Express: one table of scenarios, run by each release in turn, in the newest
// protocol that it speaks. Proxies tell what each asks of the server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startApp } from "./support/application.mjs";
import { OPTIONAL, RELEASES } from "./support/releases.mjs";
import { prepareRotation } from "./support/rotation.mjs";
import { startServer, temporaryFolder } from "./support/server.mjs";
import contents from "./support/scenarios/contents.mjs";
import modes from "./support/scenarios/modes.mjs";
import sessions from "./support/scenarios/sessions.mjs";
import time from "./support/scenarios/time.mjs";
import tokens from "./support/scenarios/tokens.mjs";

const SCENARIOS = { ...tokens, ...sessions, ...contents, ...modes };
const apiKey = "a-key-of-twenty-characters";
const folder = temporaryFolder();

/** The settings of the servers that scenarios ask for by name. The oldest SDK knows no keys to them. */
const SETTINGS = {
  keyed: { API_KEYS: apiKey },
  plain: {},
  asking: { ACCESS_TOKEN_BLACKLISTING: "true" },
  unguarded: { ENABLE_ANTI_CSRF: "false" },
  short: { ACCESS_TOKEN_VALIDITY: "1" },
  // 0.034 min are 2.04 s.
  ending: { ACCESS_TOKEN_VALIDITY: "1", REFRESH_TOKEN_VALIDITY: "0.034" },
};
const servers = {};
let rotation;

before(async () => {
  const start = async ([name, settings]) => {
    servers[name] = await startServer({ settings: { REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0", ...settings } });
  };
  await Promise.all(Object.entries(SETTINGS).map(start));
});

after(() => Promise.all([...Object.values(servers), rotation].map((server) => server?.stop())));

const runs = Object.entries(RELEASES).map(([release, { protocol }]) => ({ release, protocol, passed: [], missing: [] }));

/** Runs one scenario of the table. */
async function attempt(t, run, [name, { run: scenario }], app) {
  const { release } = run;
  const open = async (server, options) => {
    const opened = await startApp(release, servers[server], options);
    t.after(() => opened.close());
    return opened;
  };
  const user = `user-${release}-${name.replaceAll(/[^a-z]/gi, "-")}`;
  await scenario({ app, open, user, release, rotation });
  run.passed.push(name);
}

for (const run of runs) {
  const { release, protocol } = run;
  test(`supertokens-node ${release}`, async (t) => {
    const app = await startApp(release, ...(protocol === "1.0" ? [servers.plain] : [servers.keyed, { apiKey }]));
    t.after(() => app.close());
    run.missing = OPTIONAL.filter((name) => !app.sdk.can.includes(name));
    for (const entry of Object.entries(SCENARIOS)) {
      const [name, { needs }] = entry;
      if (run.missing.includes(needs)) continue;
      await t.test(name, (t) => attempt(t, run, entry, app));
    }
    // The first protocol has no name for itself.
    const named = protocol === "1.0" ? [] : [protocol];
    assert.deepEqual(app.core.versions(), named, "it speaks the newest protocol that it knows, and no other");
  });
}

test("what takes its time", { concurrency: true }, async (t) => {
  rotation = await prepareRotation(folder);
  servers.rotation = rotation.server;
  const waits = [];
  for (const run of runs) {
    for (const entry of Object.entries(time)) {
      waits.push(t.test(`supertokens-node ${run.release}: ${entry[0]}`, (t) => attempt(t, run, entry)));
    }
  }
  await Promise.all(waits);
});

test("what each release passed", (t) => {
  const all = Object.entries({ ...SCENARIOS, ...time });
  for (const run of runs) {
    run.asked = all.filter(([, { needs }]) => !run.missing.includes(needs)).map(([name]) => name);
    const apart = run.missing.length === 0 ? "" : ` (not in this release: ${run.missing.join(", ")})`;
    t.diagnostic(`supertokens-node ${run.release}: ${run.passed.length} of ${run.asked.length}${apart}`);
  }
  for (const { passed, asked } of runs) assert.deepEqual([...passed].sort(), asked.sort());
});
