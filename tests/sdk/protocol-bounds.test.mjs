// Bodies beyond any bound: the server answers without waiting for them, stays small, and serves everybody else meanwhile.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, test } from "node:test";

import { send } from "./support/http.mjs";
import { startServer } from "./support/server.mjs";

const MEGABYTE = 1024 * 1024;
let server;

before(async () => {
  server = await startServer();
});

after(() => server?.stop());

/** Opens a connection and sends the head of a request. */
async function connect(head) {
  const socket = net.connect(server.port, server.hostname);
  await once(socket, "connect");
  let answer = "";
  let closed = false;
  socket.setEncoding("latin1").on("data", (text) => (answer += text));
  // A server that has answered may reset a connection that goes on sending.
  socket.on("error", () => {});
  socket.on("close", () => (closed = true));
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  return { socket, answer: () => answer, closed: () => closed };
}

const status = (answer) => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

test("a body announced too large is refused before it is sent", async () => {
  for (const [method, path] of [
    ["POST", "/session"],
    ["PUT", "/session/data"],
    ["DELETE", "/session"],
    ["POST", "/session/verify"],
    ["POST", "/session/refresh"],
    ["POST", "/handshake"],
  ]) {
    const { socket, answer } = await connect([`${method} ${path} HTTP/1.1`, "host: x", `content-length: ${1024 * MEGABYTE}`]);
    while (Number.isNaN(status(answer()))) await once(socket, "data");
    assert.ok([400, 413].includes(status(answer())), `${method} ${path}: ${answer()}`);
    socket.destroy();
  }
});

test("a body that never ends is cut off", async () => {
  const { socket, answer, closed } = await connect(["POST /session HTTP/1.1", "host: x", "transfer-encoding: chunked"]);
  const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
  let sent = 0;
  while (!closed() && Number.isNaN(status(answer())) && sent < 256 * MEGABYTE) {
    sent += chunk.length;
    if (!socket.write(chunk)) await Promise.race([once(socket, "drain"), once(socket, "close"), once(socket, "data")]).catch(() => {});
  }
  assert.ok(sent < 64 * MEGABYTE, `the server took ${sent} bytes`);
  if (answer() !== "") assert.ok([400, 413].includes(status(answer())), answer());
  socket.destroy();
});

test("what is above what a session can be is refused as a whole, and nothing is written", async () => {
  const created = await send(server, "POST", "/session", {
    json: { userId: "bounds", userDataInJWT: {}, userDataInDatabase: { a: 1 } },
  });
  const { handle } = JSON.parse(created.text).session;
  const put = (bytes) => {
    const json = { sessionHandle: handle, userDataInDatabase: { text: "x".repeat(bytes - '{"text":""}'.length) } };
    return send(server, "PUT", "/session/data", { json });
  };
  assert.equal((await put(MEGABYTE + 1)).status, 400);
  for (const bytes of [2 * MEGABYTE, 16 * MEGABYTE]) {
    // The server reads on for a while, or whoever is still sending would see the connection close and not the answer.
    assert.equal((await put(bytes)).status, 413);
  }
  const read = await send(server, "GET", `/session/data?sessionHandle=${handle}`);
  assert.deepEqual(JSON.parse(read.text), { status: "OK", userDataInDatabase: { a: 1 } });
});

test("a client that stops in the middle of its body holds nobody up", async () => {
  const silent = await Promise.all(
    Array.from({ length: 50 }, () => connect(["POST /session HTTP/1.1", "host: x", "content-length: 100"])),
  );
  for (const { socket } of silent) socket.write('{"userId":');
  const { status: code } = await send(server, "POST", "/session", {
    json: { userId: "patient", userDataInJWT: {}, userDataInDatabase: {} },
  });
  assert.equal(code, 200);
  for (const { socket } of silent) socket.destroy();
});
