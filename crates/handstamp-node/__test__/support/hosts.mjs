// Hosts as they may be found: one where nobody listens, one that never takes a connection, one that answers as told.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { after } from "node:test";
import { Worker } from "node:worker_threads";

export const hostOf = ({ hostname, port }) => ({ hostname, port });

/** A port at which nobody listens: one that was free a moment ago. */
export async function nobody() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return { hostname: "127.0.0.1", port };
}

/** A server that answers everything as told, and counts. */
export async function pretend(answer) {
  const seen = [];
  const listener = createServer((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    answer(req, res);
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  return { hostname: "127.0.0.1", port: listener.address().port, seen };
}

/** Listens, tells where, and never does anything again. */
const NEVER = `
  const { parentPort } = require("node:worker_threads");
  const listener = require("node:net").createServer();
  listener.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(listener.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;

/** A host that never takes a connection, as its queue of them is full: who wants one waits for ever. */
export async function hanging() {
  const worker = new Worker(NEVER, { eval: true });
  const [port] = await once(worker, "message");
  // One more than it was told to.
  const queued = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
  await Promise.all(queued.map((socket) => once(socket, "connect")));
  after(async () => {
    for (const socket of queued) socket.destroy();
    await worker.terminate();
  });
  return { hostname: "127.0.0.1", port };
}
