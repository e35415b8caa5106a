// Servers of the tests.
import { once } from "node:events";
import { after } from "node:test";

/** Listens until the test file ends; answers the address. */
export async function listen(listener) {
  const server = listener.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
