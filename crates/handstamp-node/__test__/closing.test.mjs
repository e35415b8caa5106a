// An engine that is closed, in the middle of something or by being forgotten, leaves nothing open and loses nothing.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";

import { open, temporaryFolder } from "./support/backends.mjs";
import { DATABASES } from "./support/databases.mjs";
import { run } from "./support/processes.mjs";

const require = createRequire(import.meta.url);
const { webFunctions } = require("../lib/web.js");

/** Where the system tells what a process holds. */
const OPEN_FILES = "/proc/self/fd";
const untold = existsSync(OPEN_FILES) ? false : "this system has no /proc";

/** A database that is there already: whoever makes the file of one keeps it open for good, because of how systems lock files. */
async function made(make) {
  const database = await make();
  const sdk = open({ database });
  await sdk.ready();
  await sdk.close();
  return database;
}

for (const [name, { skip, make }] of Object.entries(DATABASES)) {
  test(`engines that are forgotten let go of their threads and connections: ${name}`, { skip: skip || untold }, async (t) => {
    const database = await made(make);
    const program = `
      const { readdirSync, readFileSync, readlinkSync } = require("node:fs");
      const database = ${JSON.stringify(database)};
      const told = (read) => {
        try {
          return read();
        } catch {
          return ""; // It has just gone.
        }
      };
      const held = () => {
        const files = readdirSync("${OPEN_FILES}").map((file) => told(() => readlinkSync("${OPEN_FILES}/" + file)));
        const threads = readdirSync("/proc/self/task").map((task) => told(() => readFileSync("/proc/self/task/" + task + "/comm", "utf8")));
        return {
          files: files.filter((target) => target.startsWith("socket:") || target.includes("sessions.db")).length,
          threads: threads.filter((name) => name.startsWith("handstamp")).length,
        };
      };
      const forget = async (count) => {
        const many = Array.from({ length: count }, () => new sessions.Sessions({ database }));
        for (const sdk of many) await sdk.createNewSession("forgotten");
        return held();
      };
      (async () => {
        // All that the process opens once.
        const first = new sessions.Sessions({ database: "memory:" });
        await first.ready();
        await first.close();
        const before = held();
        const between = await forget(10);
        let after = between;
        // They close in the background.
        for (let turn = 0; turn < 1000 && (after.files > before.files || after.threads > before.threads); turn++) {
          global.gc();
          await new Promise((resolve) => setTimeout(resolve, 10));
          after = held();
        }
        process.stdout.write(JSON.stringify({ before, between, after }));
      })();`;
    const { before, between, after } = JSON.parse(await run(t, program, { flags: ["--expose-gc"] }));
    const told = JSON.stringify({ before, between, after });
    assert.ok(between.files >= before.files + 10, told);
    assert.deepEqual(after, before, told);
  });
}

test("an engine that is closed before it has opened, or while it does, stays closed", { skip: untold }, async () => {
  const { Engine } = require("../native.js");
  const database = await made(DATABASES.SQLite.make);
  const settings = { database, enableAntiCsrf: true, accessTokenBlacklisting: false, revokeOnTheft: true };
  const targetOf = (file) => {
    try {
      return readlinkSync(path.join(OPEN_FILES, file));
    } catch {
      return ""; // That of the folder itself.
    }
  };
  const held = () => readdirSync(OPEN_FILES).filter((file) => targetOf(file).startsWith(database.slice("sqlite:".length))).length;
  const before = held();
  // Held on to, so that none closes by being forgotten.
  const engines = [];
  for (let turn = 0; turn < 100; turn++) {
    const { engine } = Engine.make(settings, () => {});
    engines.push(engine);
    await Promise.all(turn % 2 === 0 ? [engine.open(), engine.close()] : [engine.close()]);
    assert.equal((await engine.open()).failure.code, "CLOSED");
  }
  assert.equal(held(), before);
  assert.equal(engines.length, 100);
});

/** A response that keeps its headers. */
function response() {
  const headers = new Map();
  return { isBegun: () => false, get: (name) => headers.get(name), set: (name, value) => headers.set(name, value) };
}

const cookiesOf = (to) => to.get("Set-Cookie").map((cookie) => cookie.split(";")[0]);

/** Functions for requests whose sessions are closed as soon as they have answered, before anybody else can do anything. */
function closing(sdk) {
  const closesAfter = (name) => async (...given) => {
    const answer = await sdk[name](...given);
    await sdk.close();
    return answer;
  };
  const closed = {
    cookies: () => sdk.cookies(),
    createNewSession: closesAfter("createNewSession"),
    getSession: closesAfter("getSession"),
    refreshSession: closesAfter("refreshSession"),
    revokeSessionUsingSessionHandle: closesAfter("revokeSessionUsingSessionHandle"),
  };
  return webFunctions({ readOf: (request) => request, viewOf: (to) => to }, () => closed);
}

test("what was written before a close reaches the client", async () => {
  const database = `sqlite:${path.join(temporaryFolder(), "sessions.db")}`;
  const onDatabase = () => open({ database });
  const requestOf = (cookies) => ({ headers: { cookie: cookies.join("; ") } });

  const created = response();
  await closing(onDatabase()).createNewSession(created, "closing");
  assert.equal(cookiesOf(created).length, 3);

  const refreshed = response();
  await closing(onDatabase()).refreshSession(requestOf(cookiesOf(created)), refreshed);
  assert.equal(cookiesOf(refreshed).length, 3);
  assert.notDeepEqual(cookiesOf(refreshed), cookiesOf(created));

  // The use of a token that came from a refresh makes another.
  const used = response();
  await closing(onDatabase()).getSession(requestOf(cookiesOf(refreshed)), used, false);
  assert.match(cookiesOf(used).join(), /^sAccessToken=[^,]+$/);

  const ended = response();
  const sdk = onDatabase();
  const { Session } = require("../lib/web.js");
  const info = (await sdk.getSession(decodeURIComponent(cookiesOf(used)[0].slice("sAccessToken=".length)))).session;
  const sessions = {
    cookies: () => sdk.cookies(),
    async revokeSessionUsingSessionHandle(handle) {
      const answer = await sdk.revokeSessionUsingSessionHandle(handle);
      await sdk.close();
      return answer;
    },
  };
  await new Session({ view: ended, sessions, info }).revokeSession();
  assert.deepEqual(cookiesOf(ended).sort(), ["sAccessToken=", "sIdRefreshToken=", "sRefreshToken="]);
  assert.deepEqual(await onDatabase().getAllSessionHandlesForUser("closing"), []);
});
