// The addon in its process: several engines, worker threads, a clean end, a bounded memory; one database for package and server.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { once } from "node:events";

import { open, serve, temporaryFolder } from "./support/backends.mjs";
import { DATABASES } from "./support/databases.mjs";
import { failsWith } from "./support/failures.mjs";
import { packageFile, run } from "./support/processes.mjs";

test("several engines in one process have nothing to do with each other", async () => {
  const folder = temporaryFolder();
  const [one, two] = ["one", "two"].map((name) => open({ database: `sqlite:${path.join(folder, name)}` }));
  const made = await one.createNewSession("several");
  await failsWith("TRY_REFRESH_TOKEN", two.getSession(made.accessToken.token));
  await failsWith("UNAUTHORISED", two.refreshSession(made.refreshToken.token));
  await one.close();
  assert.deepEqual(await two.getAllSessionHandlesForUser("several"), []);
});

test("several engines on one database are one", async () => {
  const database = `sqlite:${path.join(temporaryFolder(), "sessions.db")}`;
  const [one, two] = [open({ database }), open({ database })];
  const made = await one.createNewSession("shared", { a: 1 }, { n: 0 });
  assert.deepEqual((await two.getSession(made.accessToken.token, made.antiCsrfToken)).session.jwtPayload, { a: 1 });
  const renewed = await Promise.all([one, two].map((sdk) => sdk.refreshSession(made.refreshToken.token)));
  assert.equal(renewed[0].refreshToken.token, renewed[1].refreshToken.token);
  await two.updateSessionData(made.session.handle, { n: 1 });
  assert.deepEqual(await one.getSessionData(made.session.handle), { n: 1 });
});

for (const [name, { skip, make }] of Object.entries(DATABASES)) {
  test(`sessions of the package are sessions of a server on the same database, and the other way round: ${name}`, { skip }, async () => {
    const database = await make();
    const server = await serve({ database });
    const [here, there] = [open({ database }), open([{ hostname: server.hostname, port: server.port }])];
    for (const [maker, other] of [[here, there], [there, here]]) {
      const made = await maker.createNewSession("both", { a: 1 }, { n: 0 });
      assert.deepEqual((await other.getSession(made.accessToken.token, made.antiCsrfToken)).session, made.session);
      const renewed = await other.refreshSession(made.refreshToken.token);
      assert.equal((await maker.refreshSession(made.refreshToken.token)).refreshToken.token, renewed.refreshToken.token);
      assert.notEqual((await maker.getSession(renewed.accessToken.token, renewed.antiCsrfToken)).accessToken, undefined);
      await other.updateSessionData(made.session.handle, { n: 1 });
      assert.deepEqual(await maker.getSessionData(made.session.handle), { n: 1 });
      assert.equal(await other.revokeSessionUsingSessionHandle(made.session.handle), true);
      await failsWith("UNAUTHORISED", maker.refreshSession(renewed.refreshToken.token));
    }
  });
}

test("a process ends by itself after close", async (t) => {
  const program = `
    sessions.init({ database: "sqlite:sessions.db" });
    (async () => {
      const made = await sessions.createNewSession("ends");
      await sessions.refreshSession(made.refreshToken.token);
      await sessions.close();
      process.stdout.write("closed");
    })();`;
  assert.equal(await run(t, program, { cwd: temporaryFolder() }), "closed");
});

test("a process that forgets to close ends as well, and loses nothing that was answered", async (t) => {
  const cwd = temporaryFolder();
  const program = `
    sessions.init({ database: "sqlite:sessions.db" });
    sessions.createNewSession("forgets").then((made) => process.stdout.write(made.session.handle));`;
  const handle = await run(t, program, { cwd });
  const later = open({ database: `sqlite:${path.join(cwd, "sessions.db")}` });
  assert.deepEqual(await later.getAllSessionHandlesForUser("forgets"), [handle]);
});

test("close waits for what is under way", async () => {
  const sdk = open({ database: `sqlite:${path.join(temporaryFolder(), "sessions.db")}` });
  const calls = Array.from({ length: 20 }, (_, n) => sdk.createNewSession(`user-${n}`));
  await Promise.all([sdk.close(), ...calls]);
});

test("await using closes", { skip: Symbol.asyncDispose === undefined }, async () => {
  const sdk = open({ database: "memory:" });
  await sdk.createNewSession("user");
  await sdk[Symbol.asyncDispose]();
  assert.equal(sdk.isClosed, true);
  await assert.rejects(sdk.createNewSession("user"), { code: "CLOSED" });
});

test("worker threads have engines of their own, and end", async () => {
  const database = `sqlite:${path.join(temporaryFolder(), "sessions.db")}`;
  const main = open({ database });
  const made = await main.createNewSession("main");
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    const sessions = require(${JSON.stringify(packageFile)});
    (async () => {
      sessions.init({ database: workerData.database });
      const { session } = await sessions.getSession(workerData.token);
      const own = await sessions.createNewSession("worker");
      if (workerData.closes) await sessions.close();
      parentPort.postMessage({ seen: session.userId, handle: own.session.handle });
    })();`;
  const results = await Promise.all(
    Array.from({ length: 6 }, async (_, n) => {
      const workerData = { database, token: made.accessToken.token, closes: n % 2 === 0 };
      const worker = new Worker(program, { eval: true, workerData });
      const [[message], [code]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
      assert.equal(code, 0);
      return message;
    }),
  );
  for (const { seen } of results) assert.equal(seen, "main");
  const handles = (await main.getAllSessionHandlesForUser("worker")).sort();
  assert.deepEqual(handles, results.map(({ handle }) => handle).sort());
});

test("a worker that is stopped in the middle takes nobody with it", async () => {
  const database = `sqlite:${path.join(temporaryFolder(), "sessions.db")}`;
  const main = open({ database });
  await main.ready();
  const program = `
    const { parentPort, workerData } = require("node:worker_threads");
    const sessions = require(${JSON.stringify(packageFile)});
    sessions.init({ database: workerData });
    const again = () => sessions.createNewSession("stopped").then(again);
    for (let n = 0; n < 8; n++) again();
    sessions.createNewSession("first").then(() => parentPort.postMessage("busy"));`;
  for (let turn = 0; turn < 20; turn++) {
    const worker = new Worker(program, { eval: true, workerData: database });
    await once(worker, "message");
    await worker.terminate();
  }
  assert.equal((await main.getAllSessionHandlesForUser("first")).length, 20);
});

test("memory does not grow with the number of calls", async (t) => {
  const program = `
    (async () => {
      const sdk = new sessions.Sessions({ database: "memory:", verifiedTokens: 16 });
      const made = await sdk.createNewSession("memory", { role: "user" });
      const { token } = made.accessToken;
      const round = async () => {
        for (let n = 0; n < 10_000; n++) {
          await sdk.getSession(token, made.antiCsrfToken);
          // Not known, so that the engine is asked; and what fails must cost nothing either.
          await sdk.getSession(token + n, made.antiCsrfToken).catch(() => {});
          if (n % 10 === 0) await sdk.refreshSession(made.refreshToken.token);
          if (n % 20 === 0) await sdk.updateSessionData(made.session.handle, { n });
        }
        global.gc();
        await new Promise(setImmediate);
        global.gc();
        return process.memoryUsage().rss;
      };
      // Until the process has all that it needs at once.
      for (let warm = 0; warm < 3; warm++) await round();
      const before = await round();
      let after;
      for (let rounds = 0; rounds < 50; rounds++) after = await round();
      await sdk.close();
      process.stdout.write(String((after - before) / 1024 / 1024));
    })();`;
  const grown = Number(await run(t, program, { flags: ["--expose-gc", "--max-semi-space-size=1"] }));
  // The heap grows in steps of some MiB until it has settled. If each call left 50 bytes behind, it would be 48 MiB.
  assert.ok(grown < 32, `${grown} MiB more after a million calls`);
});
