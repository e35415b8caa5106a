// Two servers on one database that disagree on how long a key signs, so that a change of keys takes seconds.
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { send } from "./http.mjs";
import { startServer } from "./server.mjs";

const HOUR_MS = 3_600_000;
/** How long the key goes on signing at the second server, its successor being listed already. */
const LEFT_MS = 4000;

const script = fileURLToPath(new URL("../python/age_keys.py", import.meta.url));

/**
 * Starts the first server, whose key signs for two hours and is nearly one hour old. For the second, which `change` starts, an
 * hour is all: it makes a successor at once.
 *
 * @param {string} folder where the database goes
 */
export async function prepareRotation(folder) {
  const file = path.join(folder, "rotation.db");
  const start = (hours) =>
    startServer({
      database: `sqlite:${file}`,
      settings: { ACCESS_TOKEN_SIGNING_KEY_UPDATE_INTERVAL: String(hours), REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0" },
    });
  await (await start(2)).stop();
  await promisify(execFile)("python3", [script, file, String(Date.now() - HOUR_MS + LEFT_MS)]);
  const server = await start(2);
  const [before] = await keysOf(server);
  let second;
  return {
    server,
    /** The key before the change. */
    before,
    /** Starts the second server, once, and answers it. */
    change: () => (second ??= start(1)),
    /** The keys that follow each other, as the second server lists them. */
    keys: async () => keysOf(await second),
    stop: () => Promise.all([server.stop(), second?.then((server) => server.stop())]),
  };
}

async function keysOf(server) {
  const { text } = await send(server, "GET", "/.well-known/jwks.json");
  return JSON.parse(text).keys.filter(({ kid }) => kid.startsWith("d-"));
}
