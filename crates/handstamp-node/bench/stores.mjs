// Session data, here and in express-session's stores: each is read by what a request brings along, and saved, as for one request.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Sessions } from "../session.mjs";

/** What they are measured beside is installed in this folder. */
const require = createRequire(path.join(path.dirname(fileURLToPath(import.meta.url)), "package.json"));

/** What a shop keeps. */
const dataOf = (n) => ({ cart: [{ item: 4711, count: n }, { item: 815, count: 1 }], language: "en", seen: ["a", "b", "c"] });

/** The engine in this process. */
async function handstamp(database, count) {
  const sdk = new Sessions({ database });
  const made = await Promise.all(Array.from({ length: count }, (_, n) => sdk.createNewSession(`user-${n}`, {}, dataOf(n))));
  const handles = made.map(({ session }) => session.handle);
  return {
    read: (n) => sdk.getSessionData(handles[n]),
    write: (n) => sdk.updateSessionData(handles[n], dataOf(n)),
    close: () => sdk.close(),
  };
}

/** A store of express-session, called as the middleware does. */
async function store(of, count, close) {
  const { Cookie } = require("express-session");
  const get = promisify(of.get.bind(of));
  const set = promisify(of.set.bind(of));
  const session = (n) => ({ cookie: new Cookie({ maxAge: 86_400_000 }), ...dataOf(n) });
  const contender = {
    async read(n) {
      if ((await get(`session-${n}`)) === undefined) throw new Error("the store has lost a session");
    },
    write: (n) => set(`session-${n}`, session(n)),
    close,
  };
  await Promise.all(Array.from({ length: count }, (_, n) => contender.write(n)));
  return contender;
}

async function connectSqlite3(file, count, options) {
  const sqlite3 = require("sqlite3");
  const SQLiteStore = require("connect-sqlite3")(require("express-session"));
  const db = new sqlite3.Database(file);
  const of = new SQLiteStore({ db, ...options });
  await once(of.client, "connect");
  const pragma = promisify(db.get.bind(db));
  const [{ journal_mode: journal }, { synchronous }] = [await pragma("PRAGMA journal_mode"), await pragma("PRAGMA synchronous")];
  const contender = await store(of, count, promisify(db.close.bind(db)));
  return { ...contender, durability: `journal_mode=${journal}, synchronous=${synchronous}` };
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

/** A Redis server of our own, ended with the contender. */
async function connectRedis(folder, count, settings) {
  mkdirSync(folder);
  const port = await freePort();
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...settings].map(String);
  const server = spawn("redis-server", args, { stdio: "ignore" });
  const ended = once(server, "exit");
  const { createClient } = require("redis");
  const { RedisStore } = require("connect-redis");
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  // It may not listen yet; the client tries again.
  client.on("error", () => {});
  await Promise.race([
    client.connect(),
    ended.then(() => {
      throw new Error("redis-server has ended");
    }),
  ]);
  const info = await client.info("persistence");
  if (info.includes("aof_enabled:1") !== settings.includes("yes")) throw new Error("redis-server is not as it was to be");
  return store(new RedisStore({ client }), count, async () => {
    client.destroy();
    server.kill();
    await ended;
  });
}

/** All contenders by name, with `count` sessions in each; `durable`: an answered write survives a loss of power. */
export async function contenders(folder, count) {
  const at = (name) => path.join(folder, name);
  return {
    "handstamp, SQLite": {
      ...(await handstamp(`sqlite:${at("handstamp.db")}`, count)),
      durable: true,
      durability: "journal_mode=wal, synchronous=2",
    },
    "express-session, connect-sqlite3 with `concurrentDb`": {
      ...(await connectSqlite3(at("wal.db"), count, { concurrentDb: true })),
      durable: true,
    },
    "express-session, connect-sqlite3 as it is": { ...(await connectSqlite3(at("rollback.db"), count, {})), durable: true },
    "express-session, connect-redis, each write synced": {
      ...(await connectRedis(at("always"), count, ["--appendonly", "yes", "--appendfsync", "always"])),
      durable: true,
      durability: "appendonly yes, appendfsync always",
    },
    "express-session, connect-redis, synced each second": {
      ...(await connectRedis(at("everysec"), count, ["--appendonly", "yes", "--appendfsync", "everysec"])),
      durable: false,
      durability: "appendonly yes, appendfsync everysec",
    },
    "handstamp, in memory": { ...(await handstamp("memory:", count)), durable: false, durability: "none" },
  };
}
