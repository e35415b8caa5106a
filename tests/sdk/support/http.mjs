// Requests as bytes, without a client library that mends them on the way.
import http from "node:http";

const keptAlive = new http.Agent({ keepAlive: true });

/**
 * Sends one request and reads the whole answer.
 *
 * @param {{ hostname: string, port: number }} server
 * @param {string} method
 * @param {string} path
 * @param {object} [options]
 * @param {unknown} [options.json] a value to send as JSON
 * @param {string | Buffer} [options.body] text to send as it is, instead
 * @param {http.Agent} [options.agent] default: connections are kept and used again
 */
export function send(server, method, path, { json, body, headers = {}, agent = keptAlive } = {}) {
  const content = body ?? (json === undefined ? undefined : JSON.stringify(json));
  const bytes = content === undefined ? undefined : Buffer.from(content);
  return new Promise((resolve, reject) => {
    const request = http.request({
      hostname: server.hostname,
      port: server.port,
      method,
      path,
      agent,
      headers: {
        ...(bytes && { "content-type": "application/json;charset=utf-8", "content-length": bytes.length }),
        ...headers,
      },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode, headers: response.headers, text });
      });
    });
    request.end(bytes);
  });
}
