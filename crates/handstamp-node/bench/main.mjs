// What the verification of a good access token costs, and session data, here and elsewhere: one after the other in one process and
// in turns. Prints Markdown. Needs HANDSTAMP_BIN, for the SDKs that fetch keys from a server, redis-server, and the packages of
// tests/sdk and of this folder.
import { generateKeyPairSync } from "node:crypto";
import { rmSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { SignJWT, jwtVerify } from "jose";

import { spawnServer } from "../../../tests/sdk/support/server.mjs";
import { Sessions } from "../session.mjs";
import { contenders } from "./stores.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(here, "../../../tests/sdk/package.json"));

/** So many sessions are in use at a time; each measurement goes through them again and again. */
const SESSIONS = 256;
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const ROUND_MS = Number(process.env.ROUND_MS ?? 400);

/** So many calls are under way at once where it is not one. */
const IN_FLIGHT = 32;

const PAYLOAD = { role: "editor", teams: ["a", "b", "c"] };
const many = (make) => Promise.all(Array.from({ length: SESSIONS }, (_, n) => make(`user-${n}`)));
/** A request brings its token as a text of its own, never seen before. */
const arriving = (text) => Buffer.from(text, "latin1").toString("latin1");

const folder = mkdtempSync(path.join(tmpdir(), "handstamp-bench-"));
const server = spawnServer({ settings: { ACCESS_TOKEN_VALIDITY: "86400" } });
const { hostname, port, url } = await server.ready;

/** `getSession` as it is called for a signed-in request. */
async function ours(options) {
  const sdk = new Sessions(options);
  const made = await many((user) => sdk.createNewSession(user, PAYLOAD));
  return (n) => sdk.getSession(arriving(made[n].accessToken.token), made[n].antiCsrfToken, true, made[n].idRefreshToken.token);
}

async function sdk1() {
  const sdk = require("supertokens-node/session");
  sdk.init([{ hostname, port }]);
  const made = await many((user) => sdk.createNewSession(user, PAYLOAD));
  return (n) => sdk.getSession(arriving(made[n].accessToken.token), made[n].antiCsrfToken, true, made[n].idRefreshToken.token);
}

async function sdk24() {
  const supertokens = require("supertokens-node-24");
  const session = require("supertokens-node-24/recipe/session");
  supertokens.init({
    framework: "express",
    supertokens: { connectionURI: url },
    appInfo: { appName: "bench", apiDomain: "http://localhost:3000", websiteDomain: "http://localhost:3001" },
    recipeList: [session.init({ antiCsrf: "VIA_TOKEN" })],
  });
  const make = async (user) => {
    const id = new supertokens.RecipeUserId(user);
    const made = await session.createNewSessionWithoutRequestResponse("public", id, PAYLOAD, {}, false);
    return made.getAllSessionTokensDangerously();
  };
  const made = await many(make);
  return (n) => session.getSessionWithoutRequestResponse(arriving(made[n].accessToken), made[n].antiCsrfToken, { antiCsrfCheck: true });
}

async function jose() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const header = { alg: "RS256", typ: "JWT" };
  const made = await many((user) => new SignJWT({ ...PAYLOAD, sub: user }).setProtectedHeader(header).setExpirationTime("1d").sign(privateKey));
  return (n) => jwtVerify(arriving(made[n]), publicKey, { algorithms: ["RS256"] });
}

const CONTENDERS = {
  "handstamp, engine in the process": await ours({ database: "memory:" }),
  "handstamp, engine in the process, first sight of a token": await ours({ database: "memory:", verifiedTokens: 0 }),
  "handstamp, a server elsewhere": await ours([{ hostname, port }]),
  "handstamp, a server elsewhere, first sight of a token": await ours({ hosts: [{ hostname, port }], verifiedTokens: 0 }),
  "supertokens-node 1.0.1": await sdk1(),
  "supertokens-node 24.0.3": await sdk24(),
  "jose 6.2.18, RS256": await jose(),
};

const stores = await contenders(folder, SESSIONS);
const each = (action) => Object.fromEntries(Object.entries(stores).map(([name, store]) => [name, store[action]]));

/** Calls `call` for each session, so many at a time. */
async function pass(call, inFlight) {
  let next = 0;
  const work = async () => {
    for (let n = next++; n < SESSIONS; n = next++) await call(n);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

/** Microseconds of wall clock per call, in the best of all rounds: others use this machine, too. */
async function measure(all, inFlight = 1) {
  const best = Object.fromEntries(Object.keys(all).map((name) => [name, Infinity]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, call] of Object.entries(all)) {
      const begun = performance.now();
      let calls = 0;
      while (performance.now() - begun < ROUND_MS) {
        if (inFlight > 1) await pass(call, inFlight);
        else for (let n = 0; n < SESSIONS; n++) await call(n);
        calls += SESSIONS;
      }
      best[name] = Math.min(best[name], ((performance.now() - begun) * 1000) / calls);
    }
  }
  return best;
}

const verified = await measure(CONTENDERS);
const data = {
  read: await measure(each("read")),
  write: await measure(each("write")),
  manyReads: await measure(each("read"), IN_FLIGHT),
  manyWrites: await measure(each("write"), IN_FLIGHT),
};
for (const store of Object.values(stores)) await store.close();
await server.stop();
rmSync(folder, { recursive: true });

const others = Object.entries(verified).filter(([name]) => !name.startsWith("handstamp"));
const fastest = Math.min(...others.map(([, micros]) => micros));
const micros = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} µs`;
const [OURS] = Object.keys(stores);
const rate = (value) => Math.round(1e6 / value).toLocaleString("en");
const times = (value, ours) => `${(value / ours).toFixed(1)}`;
const cell = (kind, show) => (name) => `${show(data[kind][name])} (${times(data[kind][name], data[kind][OURS])})`;
const cells = [cell("read", micros), cell("write", micros), cell("manyReads", rate), cell("manyWrites", rate)];
const row = (name) => `| ${[name, stores[name].durability, ...cells.map((show) => show(name))].join(" | ")} |`;
const table = (durable) => Object.keys(stores).filter((name) => stores[name].durable === durable).map(row).join("\n");
const HEAD = `| | durability | read | write | reads/s, ${IN_FLIGHT} at once | writes/s, ${IN_FLIGHT} at once |\n|---|---|---|---|---|---|`;

console.log(`# Node.js

Written by \`cargo xtask bench --node\`, in one run on one machine, Node.js ${process.version}: wall clock per call, awaited one after
the other, the best of ${ROUNDS} rounds. ${SESSIONS} sessions are in use; each token arrives as a new text. Absolute figures depend on the
machine; the ratios hold.

## \`getSession\` of a good access token

| | per call | times as fast as the fastest other |
|---|---|---|
${Object.entries(verified).map(([name, value]) => `| ${name} | ${micros(value)} | ${(fastest / value).toFixed(1)} |`).join("\n")}

A token that is good by its signature is remembered until it runs out (up to 8192 of them by default), so that the first sight of
a token is one call in very many, as long as no more tokens are in use than are remembered (`verifiedTokens`, 8192). That changes nothing about revocation: an access token is good until it ends wherever it is
verified by its signature alone, as it is in all of the above. What the database was asked for is not remembered;
\`accessTokenBlacklisting\` asks it each time. jose checks a signature and times, and no anti-CSRF token.

## Session data

A read is what a request does that brings a session along: \`getSessionData\` by the handle, a store's \`get\` by the session's id.
A write is \`updateSessionData\`, a store's \`set\`. The stores are called as express-session's middleware calls them, without the
middleware. All hold the same data, and all answers are read from JSON. In brackets: how many times as long it takes as in
handstamp with SQLite.

An answered write is on the disk:

${HEAD}
${table(true)}

An answered write may be lost with the machine's power, or the process:

${HEAD}
${table(false)}

connect-sqlite3 is the most used of express-session's SQLite stores whose licence is not a copyleft one. Its lines are on SQLite's
defaults, but for \`concurrentDb\`, which is its own option for a write-ahead log; \`synchronous=2\` is FULL. Redis runs on this
machine, asked over the loopback. A server of either kind serves many machines, as handstamp does with PostgreSQL or MySQL.`);
process.exit(0);
