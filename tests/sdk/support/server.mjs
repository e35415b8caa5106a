// Starts the server under test and stops exactly the process it started.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";

/** Nothing else bounds how long a server that hangs at start would be waited for. */
const START_DEADLINE_MS = 30_000;

/** What a test file that fails half-way leaves running is ended with the file. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** The binary under test. */
export function binary() {
  const file = process.env.HANDSTAMP_BIN;
  if (!file) throw new Error("HANDSTAMP_BIN must be the path of the handstamp binary; `cargo xtask test` sets it");
  return path.resolve(file);
}

/**
 * Starts a server on a free port and waits for the line that says it is ready.
 *
 * @param {object} options
 * @param {Record<string, string>} [options.settings] environment variables; nothing of the caller's own environment gets in
 * @param {string} [options.database] default: in memory
 * @param {string | null} [options.host] null leaves it to the server
 * @param {string} [options.config] a configuration file
 */
export async function startServer({ settings = {}, database = "memory:", host = "127.0.0.1", config } = {}) {
  const server = spawnServer({ settings, database, host, config });
  const ready = await server.ready;
  return { ...server, ...ready };
}

/** Starts a server and does not wait: for tests that end it before it is ready. */
export function spawnServer({ settings = {}, database = "memory:", host = "127.0.0.1", config } = {}) {
  const args = ["serve", "--port", "0", "--database", database];
  if (host !== null) args.push("--host", host);
  if (config !== undefined) args.push("--config", config);
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(binary(), args, {
    env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const exited = once(child, "exit").then(([code, signal]) => {
    running.delete(child);
    return { code, signal };
  });

  const printed = [];
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const ready = new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${why}; it logged:\n${log}`));
    const deadline = setTimeout(() => fail("the server was not ready in time"), START_DEADLINE_MS);
    child.on("error", (error) => fail(`the server did not start: ${error.message}`));
    child.on("exit", (code, signal) => {
      clearTimeout(deadline);
      fail(`the server ended before it was ready (code ${code}, signal ${signal})`);
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      printed.push(line);
      const address = /^handstamp\b.*?http:\/\/(\[[^\]]+\]|[^\s:/]+):(\d+)/.exec(line);
      if (address === null) return;
      clearTimeout(deadline);
      const [, hostname, port] = address;
      resolve({ hostname, port: Number(port), url: `http://${hostname}:${port}`, readyLine: line });
    });
  });
  // A test that ends the server early does not wait for it to be ready; its failure is then no news.
  ready.catch(() => {});

  const end = async (signal) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  return {
    pid: child.pid,
    ready,
    exited,
    printed,
    log: () => log,
    /** Asks the server to stop, as an operator would. */
    stop: () => end("SIGTERM"),
    interrupt: () => end("SIGINT"),
    /** Gives it no chance to do anything. */
    kill: () => end("SIGKILL"),
  };
}

/** A folder that is removed when the test file ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "handstamp-sdk-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
