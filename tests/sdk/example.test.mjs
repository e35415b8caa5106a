// The examples that the README shows and points to, run as they are: the server is named `localhost`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Browser } from "./support/browser.mjs";
import { send } from "./support/http.mjs";
import { startServer } from "./support/server.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const top = path.join(here, "../..");
/** The examples have their own package.json; here they run on the versions that these tests have installed. */
const environment = { PATH: process.env.PATH, NODE_PATH: path.join(here, "node_modules") };
let server;
let app;
let url;

before(async () => {
  // The host is left to the server: its default must be what an SDK means by `localhost`.
  server = await startServer({ host: null });
  app = spawn(process.execPath, [path.join(top, "examples/node/app.js")], {
    env: { ...environment, CORE_PORT: String(server.port), PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(createInterface({ input: app.stdout }), "line"),
    once(app, "exit").then(([code]) => assert.fail(`the example ended with code ${code}`)),
  ]);
  url = /http:\S+/.exec(line)[0];
});

after(async () => {
  if (app && app.exitCode === null) {
    app.kill();
    await once(app, "exit");
  }
  await server?.stop();
});

test("the README's example is the one in the folder, and does what its comments say", async () => {
  const [, shown] = /^```js\n(.*?)^```$/ms.exec(readFileSync(path.join(top, "README.md"), "utf8"));
  assert.equal(readFileSync(path.join(top, "examples/node/session.js"), "utf8"), shown);

  const text = shown.replace("port: 3567", `port: ${server.port}`);
  assert.notEqual(text, shown);
  const example = spawn(process.execPath, ["-"], { env: environment, stdio: ["pipe", "pipe", "inherit"] });
  let printed = "";
  example.stdout.setEncoding("utf8").on("data", (part) => (printed += part));
  example.stdin.end(text);
  const [code] = await once(example, "close");
  assert.deepEqual({ code, printed }, { code: 0, printed: "user-1 { role: 'editor' }\n" });
  // Its last line revoked the session.
  const { text: left } = await send(server, "GET", "/session/user?userId=user-1");
  assert.deepEqual(JSON.parse(left), { status: "OK", sessionHandles: [] });
});

test("sign in, visit, refresh, visit, sign out", async () => {
  const browser = new Browser(url);
  assert.equal((await browser.send("GET", "/visit")).status, 440);
  assert.deepEqual((await browser.send("POST", "/login?user=maria")).json(), { userId: "maria" });
  assert.deepEqual((await browser.send("GET", "/visit")).json(), { userId: "maria", role: "user", visits: 1 });
  assert.equal((await browser.send("POST", "/session/refresh")).status, 200);
  assert.deepEqual((await browser.send("GET", "/visit")).json(), { userId: "maria", role: "user", visits: 2 });
  const old = browser.copy();
  assert.equal((await browser.send("POST", "/logout")).status, 200);
  assert.equal(browser.cookies.size, 0);
  assert.deepEqual((await old.send("POST", "/session/refresh")).json(), { error: "sign in first" });
});

test("a stolen token signs everybody out", async () => {
  const browser = new Browser(url);
  await browser.send("POST", "/login?user=victim");
  const thief = browser.copy();
  for (let turn = 0; turn < 2; turn++) {
    await browser.send("POST", "/session/refresh");
    await browser.send("GET", "/visit");
  }
  assert.deepEqual((await thief.send("POST", "/session/refresh")).json(), { error: "signed out" });
  assert.deepEqual((await browser.send("POST", "/session/refresh")).json(), { error: "sign in first" });
});
