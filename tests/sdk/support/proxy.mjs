// A proxy between an SDK and the server: it counts requests, and gives servers that come and go one fixed address.
import http from "node:http";
import { once } from "node:events";

/**
 * @param {{ port: number, hostname: string }} first the server to pass requests on to
 */
export async function startProxy(first) {
  let target = first;
  const requests = [];
  const versions = new Set();

  const proxy = http.createServer((incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url.split("?")[0]}`);
    const { method, url: path, headers } = incoming;
    if (headers["cdi-version"] !== undefined) versions.add(headers["cdi-version"]);
    const { hostname, port } = target;
    const passed = http.request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    // To the client it looks as if the server itself had gone away.
    passed.on("error", () => incoming.socket.destroy());
    incoming.pipe(passed);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");

  return {
    hostname: "127.0.0.1",
    port: proxy.address().port,
    /** Passes on to another server from now on. */
    passTo: (server) => (target = server),
    /** What was asked since the last call, in order. */
    taken: () => requests.splice(0),
    /** The protocol versions that requests named since the last call. */
    versions() {
      const named = [...versions];
      versions.clear();
      return named;
    },
    /** What `action` asks for, and what it answers. */
    async during(action) {
      requests.length = 0;
      const result = await action();
      return { result, requests: requests.splice(0) };
    },
    async close() {
      proxy.close();
      proxy.closeAllConnections();
      await once(proxy, "close");
    },
  };
}
