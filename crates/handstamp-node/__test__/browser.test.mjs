// A browser with the frontend SDKs that speak this protocol, the first and the last of them, and an Express application with this
// package: what users do.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { once } from "node:events";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as esbuild from "esbuild";
import { chromium } from "playwright-core";

import { past } from "../../../tests/sdk/support/wait.mjs";
import { withSessions, Error as SessionError } from "../index.mjs";
import { open, requireOfServerTests } from "./support/backends.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const executablePath = process.env.CHROMIUM;
const skip = executablePath === undefined && process.env.CI !== "true" && "CHROMIUM names no browser";

/** Offline, and nothing asked of anybody: the page is all there is. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * How a page sets up each release of the SDK: that of version 1.0, and the newest that knows of a session by the header
 * `id-refresh-token`. From 14 on it wants to see one called `front-token`, which version 1.0 has not.
 */
const RELEASES = {
  "supertokens-website": (origin) => {
    window.SuperTokens.init({ refreshTokenUrl: `${origin}session/refresh`, sessionExpiredStatusCode: 440 });
  },
  "supertokens-website-13": (origin) => {
    window.SuperTokens.init({ apiDomain: origin, apiBasePath: "/", sessionExpiredStatusCode: 440 });
  },
};

let browser;
const bundles = {};

before(async () => {
  if (skip) return;
  browser = await chromium.launch({ executablePath, args: FLAGS });
  for (const release of Object.keys(RELEASES)) {
    const built = await esbuild.build({
      stdin: { contents: `module.exports = require("${release}").default;`, resolveDir: here },
      bundle: true,
      write: false,
      format: "iife",
      globalName: "SuperTokens",
      // What a bundler of that time put in its place.
      define: { global: "window", process: "undefined" },
    });
    bundles[release] = built.outputFiles[0].text;
  }
});

after(() => browser?.close());

/** An application whose access tokens run out after a second. */
async function serve(release) {
  const sessions = open({ database: "memory:", accessTokenValidity: 1000, cookieSecure: false });
  const { createNewSession, getSession, refreshSession } = withSessions(sessions);
  const app = requireOfServerTests("express")();
  const seen = { refreshes: 0, expiry: 0 };
  const route = (method, url, handler) => app[method](url, (req, res, next) => handler(req, res).then((body) => res.json(body), next));
  app.get("/", (req, res) => {
    res.send('<!doctype html><title>app</title><script src="/sdk.js"></script>');
  });
  app.get("/sdk.js", (req, res) => res.type("js").send(bundles[release]));
  route("post", "/login", async (req, res) => {
    await createNewSession(res, "ada", {}, { visits: 0 });
    seen.expiry = Date.now() + 1000;
    return {};
  });
  route("post", "/session/refresh", async (req, res) => {
    seen.refreshes++;
    await refreshSession(req, res);
    seen.expiry = Date.now() + 1000;
    return {};
  });
  route("post", "/visit", async (req, res) => ({ user: (await getSession(req, res, true)).getUserId() }));
  route("post", "/logout", async (req, res) => {
    await (await getSession(req, res, true)).revokeSession();
    return {};
  });
  app.use((error, req, res, next) => {
    if (!SessionError.isErrorFromAuth(error) || error.errType === SessionError.GENERAL_ERROR) return next(error);
    return res.status(440).json({ error: error.code });
  });
  const listener = app.listen(0, "localhost");
  await once(listener, "listening");
  after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  return { release, url: `http://localhost:${listener.address().port}/`, seen, sessions };
}

/** Opens a tab, and sets the SDK up in it as a page would. */
async function openTab(context, { release, url }) {
  const tab = await context.newPage();
  await tab.goto(url);
  await tab.evaluate(RELEASES[release], url);
  return tab;
}

/** Sends a request from the page, through the SDK. */
const send = (tab, address) =>
  tab.evaluate(async (to) => {
    const response = await fetch(to, { method: "POST" });
    return { status: response.status, body: await response.json() };
  }, address);

const hasSession = (tab) => tab.evaluate(() => window.SuperTokens.doesSessionExist());

/** Runs a scenario with each release, in a browser of its own; what its tabs look like when it fails is kept. */
function scenario(name, action) {
  for (const release of Object.keys(RELEASES)) {
    test(`${release}: ${name}`, { skip }, async () => {
      const context = await browser.newContext();
      try {
        await action(context, await serve(release));
      } catch (error) {
        const folder = process.env.SCREENSHOTS ?? path.join(here, "../../../target/screenshots");
        mkdirSync(folder, { recursive: true });
        for (const [number, tab] of context.pages().entries()) {
          await tab.screenshot({ path: path.join(folder, `${release}-${name.replaceAll(/\W+/g, "-")}-${number}.png`) });
        }
        throw error;
      } finally {
        await context.close();
      }
    });
  }
}

const VISITED = { status: 200, body: { user: "ada" } };

scenario("sign in, call, let the access token run out, call, sign out", async (context, application) => {
  const { seen, sessions } = application;
  const tab = await openTab(context, application);
  assert.equal(await hasSession(tab), false);
  assert.equal((await send(tab, "/visit")).status, 440);
  await send(tab, "/login");
  assert.equal(await hasSession(tab), true);
  assert.deepEqual(await send(tab, "/visit"), VISITED);
  const before = seen.refreshes;
  await past(seen.expiry);
  assert.deepEqual(await send(tab, "/visit"), VISITED);
  assert.ok(seen.refreshes > before);
  await past(seen.expiry);
  assert.deepEqual(await send(tab, "/visit"), VISITED);
  assert.equal((await sessions.getAllSessionHandlesForUser("ada")).length, 1);
  assert.equal((await send(tab, "/logout")).status, 200);
  assert.equal(await hasSession(tab), false);
  assert.deepEqual(await context.cookies(), (await context.cookies()).filter(({ name }) => !/^s(Id)?(Access|Refresh)/.test(name)));
  assert.equal((await send(tab, "/visit")).status, 440);
  assert.deepEqual(await sessions.getAllSessionHandlesForUser("ada"), []);
});

scenario("two tabs call at once after the access token has run out", async (context, application) => {
  const { seen, sessions } = application;
  const tabs = [await openTab(context, application), await openTab(context, application)];
  await send(tabs[0], "/login");
  for (let turn = 0; turn < 3; turn++) {
    await past(seen.expiry);
    const answers = await Promise.all([...tabs, ...tabs].map((tab) => send(tab, "/visit")));
    assert.deepEqual(answers, [VISITED, VISITED, VISITED, VISITED]);
  }
  assert.equal((await sessions.getAllSessionHandlesForUser("ada")).length, 1);
  await send(tabs[1], "/logout");
  for (const tab of tabs) assert.equal(await hasSession(tab), false);
});
