// The sessions of `init`: set up once for all who load the package, whichever way.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";

import * as web from "../index.mjs";
import * as session from "../session.mjs";
import { temporaryFolder } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";

const require = createRequire(import.meta.url);

test("before init, every function says so", async () => {
  for (const call of [
    () => session.createNewSession("early"),
    () => session.getSession("x", "y"),
    () => session.refreshSession("x"),
    () => session.revokeAllSessionsForUser("x"),
    () => session.revokeSessionUsingSessionHandle("x"),
    () => session.getAllSessionHandlesForUser("x"),
    () => session.getSessionData("x"),
    () => session.updateSessionData("x", {}),
    () => session.readSessionData("x"),
    () => session.writeSessionData("x", {}),
    () => session.ready(),
  ]) {
    assert.equal((await failsWith("GENERAL_ERROR", call())).code, "NOT_INITIALISED");
  }
  await session.close();
});

test("without settings, sessions are in a file in the working directory", async () => {
  const before = process.cwd();
  const folder = temporaryFolder();
  process.chdir(folder);
  try {
    session.init();
    await session.ready();
    assert.ok(existsSync(path.join(folder, "handstamp.db")));
    await session.createNewSession("default");
  } finally {
    process.chdir(before);
    await session.close();
  }
});

test("init is for all: CommonJS and ES modules, with and without a framework", async () => {
  session.init({ database: "memory:" });
  const { session: made } = await session.createNewSession("shared", {}, { a: 1 });
  for (const same of [require("../session.js"), require("../index.js"), require("../fastify.js"), require("../koa.js"), web]) {
    assert.deepEqual(await same.getSessionData(made.handle), { a: 1 });
    assert.equal(same.Error, session.Error);
    same.init({ database: "memory:" });
  }
  assert.throws(() => session.init({ database: "sqlite:other.db" }), { code: "ALREADY_INITIALISED" });
  await session.close();
  assert.equal((await failsWith("GENERAL_ERROR", session.getSessionData(made.handle))).code, "CLOSED");
  session.init({ database: "memory:" });
  await failsWith("UNAUTHORISED", session.getSessionData(made.handle));
  await session.close();
});

test("init is the same for all who mean the same, in whatever words", async () => {
  const [host, other] = [{ hostname: "localhost", port: 3567 }, { hostname: "localhost", port: 3568 }];
  const cases = [
    {
      first: { database: "memory:" },
      same: [{ database: "memory:", cookieSecure: true, onTheft: undefined }, { onTheft: "revoke", database: "memory:" }, new (class { database = "memory:"; })()],
      others: [{ database: "memory:", cookieSecure: false }, undefined, [host]],
    },
    {
      first: [host],
      same: [[{ hostname: "localhost", port: "3567", name: () => {} }], { hosts: [host], timeout: 30_000, onTheft: "revoke" }],
      others: [[other], [host, other], [other, host], { hosts: [host], apiKey: "key" }, { database: "memory:" }],
    },
  ];
  for (const { first, same, others } of cases) {
    session.init(first);
    try {
      for (const options of same) session.init(options);
      for (const options of others) assert.throws(() => session.init(options), { code: "ALREADY_INITIALISED" });
      assert.throws(() => session.init({ database: "memory:", hooks: () => {} }), { code: "INVALID_ARGUMENT", argument: "hooks" });
    } finally {
      await session.close();
    }
  }
});

test("what was not meant is not taken for the default", () => {
  for (const [options, argument] of [
    [{ database: undefined }, "database"],
    [{ hosts: undefined, database: undefined }, "database"],
    [new Map([["database", "memory:"]]), "options"],
    [Object.defineProperty({}, "database", { enumerable: true, get: () => { throw new Error("no"); } }), "options"],
    [revoked(), "options"],
  ]) {
    assert.throws(() => session.init(options), { code: "INVALID_ARGUMENT", argument });
  }
});

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

test("a database's address that cannot be is refused, and not said", () => {
  for (const database of [
    "postgres://user:canary@host:notaport/db",
    "postgres://:::",
    "postgres://user:canary@host:99999/db",
    "postgres://user:canary@host:0/db",
    "postgres://user:canary@h1:1,h2:x/db",
    "postgres://",
    "postgres:/host/db",
    "mysql://",
    "mysql://user:canary@host",
    "mysql://user:canary@host:3306/",
    "mysql:///db",
  ]) {
    assert.throws(
      () => session.init({ database }),
      (error) => error.code === "INVALID_ARGUMENT" && error.argument === "database" && !error.message.includes("canary"),
      database,
    );
  }
  const fit = ["postgres://u:p%40@h1:1,[::1]:2/db?sslmode=require", "postgresql://%2Frun%2Fpg/db", "postgres:///db?host=/run", "mysql://u@h/db"];
  for (const database of fit) {
    const sessions = new session.Sessions({ database });
    assert.equal(sessions.kind, "engine");
  }
});

test("functions of one's own need sessions of one's own", () => {
  for (const face of ["index", "fastify", "koa"]) {
    for (const own of [undefined, null, {}, "sessions"]) {
      assert.throws(() => require(`../${face}.js`).withSessions(own), { code: "INVALID_ARGUMENT", argument: "sessions" });
    }
  }
});

test("ES modules have every name that CommonJS has", async () => {
  for (const name of ["session", "index", "fastify", "koa"]) {
    const [commonjs, module] = [require(`../${name}.js`), await import(`../${name}.mjs`)];
    assert.deepEqual(Object.keys(module).filter((key) => key !== "default").sort(), Object.keys(commonjs).sort());
    for (const [key, value] of Object.entries(commonjs)) assert.equal(module[key], value, `${name}: ${key}`);
    assert.equal(module.default, commonjs);
  }
});

test("a path is meant from where the process works when it is given", async () => {
  const before = process.cwd();
  const [given, later] = [temporaryFolder(), temporaryFolder()];
  process.chdir(given);
  try {
    const sessions = new session.Sessions({ database: "sqlite:./sessions.db" });
    process.chdir(later);
    await sessions.ready();
    await sessions.close();
  } finally {
    process.chdir(before);
  }
  assert.deepEqual([existsSync(path.join(given, "sessions.db")), existsSync(path.join(later, "sessions.db"))], [true, false]);
});

test("a database that cannot be opened is told to requests with all causes, and tried again", async () => {
  const folder = path.join(temporaryFolder(), "missing");
  const sessions = new session.Sessions({ database: `sqlite:${path.join(folder, "sessions.db")}` });
  for (const call of [() => sessions.ready(), () => sessions.createNewSession("x")]) {
    const error = await failsWith("GENERAL_ERROR", call());
    assert.equal(error.code, "UNAVAILABLE");
    assert.match(error.message, /not available: .*missing cannot be opened: No such file/);
  }
  mkdirSync(folder);
  await sessions.createNewSession("x");
  await sessions.close();
});

test("a file that is no database is told not to be one", async () => {
  const file = path.join(temporaryFolder(), "sessions.db");
  writeFileSync(file, "not a database, but text ".repeat(100));
  const sessions = new session.Sessions({ database: `sqlite:${file}` });
  const error = await failsWith("GENERAL_ERROR", sessions.ready());
  assert.equal(error.code, "FAILED", error.stack);
  await sessions.close();
});

for (const scheme of ["postgres", "mysql"]) {
  test(`a server that is away is told to be, and no password with it: ${scheme}`, async () => {
    const sessions = new session.Sessions({ database: `${scheme}://me:canary@127.0.0.1:1/none` });
    const error = await failsWith("GENERAL_ERROR", sessions.ready());
    assert.equal(error.code, "UNAVAILABLE");
    assert.match(error.message, /not available: .*127\.0\.0\.1:1.*refused/);
    assert.ok(!inspect(error, { depth: Infinity, showHidden: true }).includes("canary"), error.stack);
    await sessions.close();
  });
}
