// What the verification of a good access token costs, here and elsewhere, one after the other in one process and in turns. Prints
// Markdown. Needs HANDSTAMP_BIN, for the SDKs that fetch keys from a server, and the packages of tests/sdk.
import { generateKeyPairSync } from "node:crypto";
import { rmSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { SignJWT, jwtVerify } from "jose";

import { spawnServer } from "../../../tests/sdk/support/server.mjs";
import { Sessions } from "../session.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(here, "../../../tests/sdk/package.json"));

/** So many sessions are in use at a time; each measurement goes through them again and again. */
const SESSIONS = 256;
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const ROUND_MS = Number(process.env.ROUND_MS ?? 400);

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

const data = new Sessions({ database: `sqlite:${path.join(folder, "sessions.db")}` });
const { session } = await data.createNewSession("data", {}, { cart: [1, 2, 3] });
const DATA = {
  "getSessionData, SQLite, one at a time": () => data.getSessionData(session.handle),
  "updateSessionData, SQLite, one at a time, durable": (n) => data.updateSessionData(session.handle, { cart: [n] }),
};

/** Microseconds of wall clock per call, in the best of all rounds: others use this machine, too. */
async function measure(all) {
  const best = Object.fromEntries(Object.keys(all).map((name) => [name, Infinity]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, call] of Object.entries(all)) {
      const begun = performance.now();
      let calls = 0;
      while (performance.now() - begun < ROUND_MS) {
        for (let n = 0; n < SESSIONS; n++) await call(n);
        calls += SESSIONS;
      }
      best[name] = Math.min(best[name], ((performance.now() - begun) * 1000) / calls);
    }
  }
  return best;
}

const verified = await measure(CONTENDERS);
const stored = await measure(DATA);
await data.close();
await server.stop();
rmSync(folder, { recursive: true });

const others = Object.entries(verified).filter(([name]) => !name.startsWith("handstamp"));
const fastest = Math.min(...others.map(([, micros]) => micros));
const micros = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} µs`;
console.log(`# Benchmarks in Node.js

Written by \`cargo xtask bench --node\`, in one run on one machine, Node.js ${process.version}: wall clock per call, awaited one after
the other, the best of ${ROUNDS} rounds. ${SESSIONS} sessions are in use; each token arrives as a new text. Absolute figures depend on the
machine; the ratios hold.

## \`getSession\` of a good access token

| | per call | times as fast as the fastest other |
|---|---|---|
${Object.entries(verified).map(([name, value]) => `| ${name} | ${micros(value)} | ${(fastest / value).toFixed(1)} |`).join("\n")}

A token that was verified is remembered until it runs out (up to 8192 of them by default), so that the first sight of a token is
one call in very many. That changes nothing about revocation: an access token is good until it ends wherever it is verified by its
signature, as it is in all of the above. \`accessTokenBlacklisting\` asks the database each time, and remembers nothing. jose
checks a signature and times, and no anti-CSRF token.

## Session data

| | per call |
|---|---|
${Object.entries(stored).map(([name, value]) => `| ${name} | ${micros(value)} |`).join("\n")}`);
process.exit(0);
