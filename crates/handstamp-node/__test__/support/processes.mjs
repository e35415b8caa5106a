// Programs that use this package in a process of their own.
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = path.dirname(fileURLToPath(import.meta.url));

/** What they load. */
export const packageFile = path.join(here, "../../session.js");

/** Runs a program; answers what it printed, if it ended by itself and well. It goes when the test's own time is over. */
export async function run({ signal }, program, { cwd, flags = [] } = {}) {
  const text = `const sessions = require(${JSON.stringify(packageFile)});\n${program}`;
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "-e", text], { cwd, signal });
  return stdout;
}
