// What the scenarios run on: the engine in this process, this package against a server, and supertokens-node 1.0.1 against one.
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after } from "node:test";

import { startServer } from "../../../../tests/sdk/support/server.mjs";
import * as session from "../../session.mjs";
import { DATABASES } from "./databases.mjs";

export { temporaryFolder } from "./databases.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

/** What the suites of the server have installed. */
export const requireOfServerTests = createRequire(path.join(here, "../../../../tests/sdk/package.json"));

const DOMAIN = "sessions.test";

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

/** A backend on a database that nobody has used. */
const onDatabase = ({ skip, make }) => ({
  skip,
  start: async () => ({ sdk: open({ database: await make(), cookieDomain: DOMAIN }), Error: session.Error }),
});

/** The backends by name: why each is skipped, if it is; and how it is started, which answers `{ sdk, Error }`. */
export const BACKENDS = {
  "the engine in memory": onDatabase({ skip: false, make: async () => "memory:" }),
  ...Object.fromEntries(Object.entries(DATABASES).map(([name, database]) => [`the engine on ${name}`, onDatabase(database)])),
  "a server": { skip: false, start: async () => ({ sdk: open([hostOf(await serve())]), Error: session.Error }) },
  "supertokens-node 1.0.1 and a server": {
    skip: false,
    async start() {
      const sdk = requireOfServerTests("supertokens-node/session");
      sdk.init([hostOf(await serve())]);
      return { sdk, Error: sdk.Error };
    },
  },
};

/** The backends of this package: for what supertokens-node has not. */
export const OURS = Object.fromEntries(Object.entries(BACKENDS).filter(([name]) => !name.startsWith("supertokens")));
