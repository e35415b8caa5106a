// What the scenarios run on: the engine in this process, this package against a server, and supertokens-node 1.0.1 against one.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after } from "node:test";

import { startServer } from "../../../../tests/sdk/support/server.mjs";
import * as session from "../../session.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

/** What the suites of the server have installed. */
export const requireOfServerTests = createRequire(path.join(here, "../../../../tests/sdk/package.json"));

/** The package as it is in this folder. */
export const handstamp = session;

const DOMAIN = "sessions.test";

export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "handstamp-node-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Sessions that are closed when the test file ends. */
export function open(options) {
  const sessions = new session.Sessions(options);
  after(() => sessions.close());
  return sessions;
}

/** A server that is stopped when the test file ends. */
export async function serve(options = {}) {
  const server = await startServer({ ...options, settings: { COOKIE_DOMAIN: DOMAIN, ...options.settings } });
  after(() => server.stop());
  return server;
}

const hostOf = ({ hostname, port }) => ({ hostname, port });

/** The backends by name; each answers `{ sdk, Error }` when it is started. */
export const BACKENDS = {
  "the engine in memory": async () => ({ sdk: open({ database: "memory:", cookieDomain: DOMAIN }), Error: session.Error }),
  "the engine on SQLite": async () => {
    const file = path.join(temporaryFolder(), "sessions.db");
    return { sdk: open({ database: `sqlite:${file}`, cookieDomain: DOMAIN }), Error: session.Error };
  },
  "a server": async () => ({ sdk: open([hostOf(await serve())]), Error: session.Error }),
  "supertokens-node 1.0.1 and a server": async () => {
    const sdk = requireOfServerTests("supertokens-node/session");
    sdk.init([hostOf(await serve())]);
    return { sdk, Error: sdk.Error };
  },
};

/** Both backends of this package: for what supertokens-node has not. */
export const OURS = Object.fromEntries(Object.entries(BACKENDS).filter(([name]) => !name.startsWith("supertokens")));
