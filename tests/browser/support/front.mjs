// What is in front of the application: a server with a certificate, for every name. It counts what the browser asks for, and loses
// answers when it is told to.
import http from "node:http";
import https from "node:https";
import { once } from "node:events";

import { generate } from "selfsigned";

/** Nobody trusts it but a browser that is told to trust anybody. */
const certificate = generate([{ name: "commonName", value: "example.test" }]);

export async function startFront() {
  const { private: key, cert } = await certificate;
  let target;
  let lost = () => false;
  const requests = [];

  const server = https.createServer({ key, cert }, (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const name = `${method} ${url}`;
    const options = { method, headers, agent: false };
    const passed = http.request(new URL(url, target), options, (answer) => {
      requests.push({ name, status: answer.statusCode });
      if (lost(name)) {
        // The application has answered in full, and nobody hears of it.
        answer.resume().on("end", () => incoming.socket.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => incoming.socket.destroy());
    incoming.pipe(passed);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    port: server.address().port,
    /** Passes on to this application from now on. */
    passTo: (url) => (target = url),
    /** Loses the answers to such requests while `action` runs. */
    async losing(name, action) {
      lost = (asked) => asked === name;
      try {
        return await action();
      } finally {
        lost = () => false;
      }
    },
    /** The statuses with which a request was answered, each time. */
    answered: (name) => requests.filter((request) => request.name === name).map(({ status }) => status),
    forget: () => requests.splice(0),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
