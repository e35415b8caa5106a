// Starts the example with a page, and stops exactly the process it started.
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

/** What a test file that fails half-way leaves running is ended with the file. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function binary() {
  const folder = process.env.HANDSTAMP_EXAMPLES;
  if (!folder) throw new Error("HANDSTAMP_EXAMPLES must be the folder of the built examples; `cargo xtask test` sets it");
  return path.resolve(folder, "axum-spa");
}

/** @param {Record<string, string>} settings the example's environment variables */
export async function startApplication(settings) {
  const child = spawn(binary(), [], {
    env: { LISTEN: "127.0.0.1:0", MOVABLE_CLOCK: "yes", ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const ended = once(child, "exit").then(() => running.delete(child));
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    ended.then(() => Promise.reject(new Error(`the example is not ready: ${log}`))),
  ]);
  const url = /^ready at (http:\S+)$/.exec(line)[1];
  return {
    url,
    /** What went wrong, as the example tells it: theft, above all. */
    log: () => log,
    /** Moves its clock. */
    async advance(seconds) {
      const { status } = await fetch(`${url}/clock/${seconds}`, { method: "POST" });
      if (status !== 200) throw new Error(`the clock was not moved: ${status}`);
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}
