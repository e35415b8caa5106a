// The server is killed at random points, again and again, while clients work; whatever it acknowledged must hold afterwards.
//
// Each client journals what it was told. An answer that was lost leaves two possibilities, and the client goes on with the
// tokens it has, as an honest client does. CRASH_ROUNDS sets how often the server is killed, CRASH_SEED repeats a run's choices.
import assert from "node:assert/strict";
import http from "node:http";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { random } from "./support/random.mjs";
import { send } from "./support/http.mjs";
import { spawnServer, startServer, temporaryFolder } from "./support/server.mjs";

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 25);
const SEED = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 2 ** 32));
const CLIENTS = 8;
const SESSIONS_PER_CLIENT = 5;

const database = `sqlite:${path.join(temporaryFolder(), "crash.db")}`;
let server;

after(() => server?.kill());

/** The connection went away with the server: nobody knows whether the request was carried out. */
class Lost extends Error {}

/** What happened, over all clients. */
const acknowledged = { create: 0, refresh: 0, check: 0, update: 0, read: 0, revoke: 0 };
let lost = 0;
let sent = 0;
/** Called with each request that is on its way. */
let onRequest = () => {};

async function call(method, path, json) {
  // A connection each: none is left over from a server that is gone.
  const agent = new http.Agent();
  const answer = send(server, method, path, { json, agent });
  sent++;
  onRequest(sent);
  try {
    const { status, text } = await answer;
    // A refusal of the server as such is none of the outcomes below.
    assert.equal(status, 200, `${method} ${path}: ${status} ${text}`);
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof assert.AssertionError || error instanceof SyntaxError) throw error;
    lost++;
    throw new Lost(error.message);
  }
}

/** One session as its client knows it. */
class Journal {
  revoked = false;
  revoking = false;

  constructor(user, created, data) {
    this.user = user;
    this.handle = created.session.handle;
    /** What the stored data can be: two things while an update's answer is outstanding. */
    this.possible = [data];
    this.keep(created);
  }

  /** The client's newest tokens. */
  keep({ accessToken, refreshToken, antiCsrfToken }) {
    this.accessToken = accessToken.token;
    if (refreshToken) this.refreshToken = refreshToken.token;
    if (antiCsrfToken) this.antiCsrfToken = antiCsrfToken;
  }

  async refresh(tabs, choose) {
    const { refreshToken } = this;
    const answers = await Promise.allSettled(
      Array.from({ length: tabs }, () => call("POST", "/session/refresh", { refreshToken })),
    );
    const arrived = answers.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
    for (const answer of arrived) this.expect(answer, "refresh");
    const failed = answers.find(({ reason }) => reason !== undefined)?.reason;
    if (failed && !(failed instanceof Lost)) throw failed;
    // All tabs write into one cookie jar; any of them may be the last.
    if (arrived.length > 0) this.keep(choose(arrived));
    acknowledged.refresh += arrived.length;
    if (failed) throw failed;
  }

  async check() {
    const { accessToken, antiCsrfToken } = this;
    const answer = await call("POST", "/session/verify", { accessToken, antiCsrfToken, doAntiCsrfCheck: true });
    this.expect(answer, "check");
    if (answer.accessToken) this.keep(answer);
    acknowledged.check++;
  }

  async update(data) {
    this.possible.push(data);
    const answer = await call("PUT", "/session/data", { sessionHandle: this.handle, userDataInDatabase: data });
    this.expect(answer, "update");
    this.possible = [data];
    acknowledged.update++;
  }

  async read() {
    const answer = await call("GET", `/session/data?sessionHandle=${this.handle}`);
    if (this.revoked) return assert.equal(answer.status, "UNAUTHORISED", `${this.user}: a revoked session is back`);
    this.expect(answer, "read");
    const { userDataInDatabase: data } = answer;
    const found = this.possible.find(({ n }) => n === data.n);
    assert.deepEqual(data, found, `${this.user}: stored data are none of ${JSON.stringify(this.possible.map(({ n }) => n))}`);
    // What is read once is durable: it cannot be undone by the next crash.
    this.possible = [found];
    acknowledged.read++;
  }

  async revoke() {
    const before = this.revoking;
    this.revoking = true;
    const { status, numberOfSessionsRevoked } = await call("DELETE", "/session", { sessionHandle: this.handle });
    assert.equal(status, "OK");
    // Unless an earlier attempt may have been carried out, the session was there.
    if (!before) assert.equal(numberOfSessionsRevoked, 1, `${this.user}: an acknowledged session was not there to revoke`);
    this.revoked = true;
    acknowledged.revoke++;
  }

  expect(answer, what) {
    assert.equal(answer.status, "OK", `${this.user}, ${what}: an honest client was told ${JSON.stringify(answer)}`);
  }
}

/** One client: owns its sessions, does one thing after another until told to stop. */
class Client {
  live = [];
  revoked = [];
  made = 0;
  writes = 0;

  constructor(number) {
    this.user = `client-${number}`;
    this.random = random(SEED + number);
  }

  data() {
    const n = ++this.writes;
    // Sometimes more than one page of the database.
    return { n, text: "x".repeat(this.random.chance(0.2) ? this.random.below(20_000) : 10), none: null };
  }

  async create() {
    const data = this.data();
    const answer = await call("POST", "/session", {
      userId: this.user,
      userDataInJWT: { client: this.user },
      userDataInDatabase: data,
    });
    assert.equal(answer.status, "OK");
    this.live.push(new Journal(this.user, answer, data));
    acknowledged.create++;
  }

  async step() {
    const { random } = this;
    const unfinished = this.live.find(({ revoking }) => revoking);
    if (unfinished) return this.revoke(unfinished);
    if (this.live.length < SESSIONS_PER_CLIENT) return this.create();
    const session = random.pick(this.live);
    return random.weighted([
      [6, () => session.refresh(1, (answers) => random.pick(answers))],
      [2, () => session.refresh(2, (answers) => random.pick(answers))],
      [4, () => session.check()],
      [4, () => session.update(this.data())],
      [2, () => session.read()],
      [1, () => this.revoke(session)],
    ])();
  }

  async revoke(session) {
    await session.revoke();
    this.live.splice(this.live.indexOf(session), 1);
    this.revoked.push(session);
  }

  async work(stopped) {
    while (!stopped()) {
      try {
        await this.step();
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        assert.ok(stopped(), `${this.user}: the connection was lost, but nobody had killed the server: ${error.message}`);
      }
    }
  }

  /** Everything that was acknowledged holds. */
  async audit() {
    const { sessionHandles } = await call("GET", `/session/user?userId=${this.user}`);
    const there = new Set(sessionHandles);
    for (const session of this.live) {
      if (session.revoking) continue;
      assert.ok(there.has(session.handle), `${this.user}: an acknowledged session is not listed`);
      await session.read();
    }
    for (const session of this.revoked) {
      assert.ok(!there.has(session.handle), `${this.user}: a revoked session is listed`);
      await session.read();
    }
  }
}

test(`${ROUNDS} crashes lose nothing that was acknowledged (CRASH_SEED=${SEED})`, async (t) => {
  const clients = Array.from({ length: CLIENTS }, (_, number) => new Client(number + 1));
  const chance = random(SEED);
  server = await startServer({ database });

  for (let round = 0; round < ROUNDS; round++) {
    let ended = false;
    const killed = new Promise((resolve, reject) => {
      const last = sent + 1 + chance.below(150);
      const offset = chance.below(4);
      onRequest = (count) => {
        if (count !== last) return;
        // Somewhere within the work on the requests that are under way just now.
        delay(offset)
          .then(() => {
            ended = true;
            return server.kill();
          })
          .then(resolve, reject);
      };
    });
    await Promise.all([killed, ...clients.map((client) => client.work(() => ended))]);
    onRequest = () => {};

    // A start may be cut short as well, in the middle of the recovery.
    while (chance.chance(0.25)) {
      const starting = spawnServer({ database });
      await delay(chance.below(40));
      await starting.kill();
    }
    server = await startServer({ database });
    for (const client of clients) await client.audit();
  }

  for (const client of clients) {
    for (const session of client.live.filter(({ revoking }) => !revoking)) {
      await session.refresh(1, ([answer]) => answer);
      await session.check();
      await session.read();
    }
    for (const { refreshToken } of client.revoked) {
      assert.equal((await call("POST", "/session/refresh", { refreshToken })).status, "UNAUTHORISED");
    }
  }

  t.diagnostic(`acknowledged ${JSON.stringify(acknowledged)}; ${lost} answers were lost`);
  for (const [what, count] of Object.entries(acknowledged)) assert.ok(count > 0, `no ${what} was ever acknowledged`);
  assert.ok(lost > 0, "no crash met a request: nothing was tested");
});
