// A browser, the page in it, and the application behind it.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { startApplication } from "./application.mjs";
import { startFront } from "./front.mjs";
import { build } from "./page.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const executablePath = process.env.CHROMIUM;
const skip = executablePath === undefined && process.env.CI !== "true" && "CHROMIUM names no browser";

/** The newest release of the SDK, and the first that can be installed. */
export const NEWEST = "supertokens-website";
export const OLDEST = "supertokens-website-4";

/** Offline, and nothing asked of anybody; every name under `.test` is this machine. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
  "--host-resolver-rules=MAP *.test 127.0.0.1",
];

const HOURS = 60 * 60;
const REFRESH = "POST /auth/session/refresh";

const folder = mkdtempSync(path.join(tmpdir(), "handstamp-browser-"));

before(async () => {
  if (skip) return;
  for (const release of [NEWEST, OLDEST]) await build(release, path.join(folder, release));
});

after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));

/** The page at one name and the application at another, which may be the same. */
class World {
  #release;
  #front;
  #database;
  #settings = {};
  #application;
  #others = [];

  constructor(release, front) {
    this.#release = release;
    this.#front = front;
    this.#database = path.join(mkdtempSync(path.join(folder, "sessions-")), "sessions.db");
  }

  /** Starts the application, or another deployment of it in the place of the first. */
  async deploy({ api = "app.example.test", website = api, ...settings } = {}) {
    await this.#application?.stop();
    this.api = `https://${api}:${this.#front.port}`;
    this.website = `https://${website}:${this.#front.port}`;
    this.#application = await startApplication({
      API: this.api,
      WEBSITE: this.website,
      DATABASE: this.#database,
      FRONT: path.join(folder, this.#release),
      ...settings,
    });
    this.#front.passTo(this.#application.url);
  }

  /** Opens the page in a tab, and waits for it to know whether there is a session. */
  async open() {
    const tab = await this.context.newPage();
    await this.load(tab);
    return tab;
  }

  async load(tab) {
    await tab.goto(this.website);
    await tab.locator("form:not([hidden])").waitFor();
  }

  /** Opens the page in another browser, which has these cookies. */
  async another(cookies) {
    const context = await open("of this site");
    this.#others.push(context);
    await context.addCookies(cookies);
    const tab = await context.newPage();
    await this.load(tab);
    return tab;
  }

  /** Sends a request as the page does; what `fetch` throws is told by its name. */
  call(tab, method, path, body) {
    return tab.evaluate(
      async ([url, method, body]) => {
        try {
          const response = await fetch(url, { method, body });
          const text = await response.text();
          return { status: response.status, ...(text.startsWith("{") && JSON.parse(text)) };
        } catch (error) {
          return { thrown: error instanceof Response ? error.status : error.name };
        }
      },
      [this.api + path, method, body],
    );
  }

  async signIn(tab) {
    assert.deepEqual(await this.call(tab, "POST", "/login", "ada"), { status: 200 });
  }

  me = (tab) => this.call(tab, "GET", "/me");

  /** What the user sees, after the page has been loaded again. */
  async shows(tab) {
    await this.load(tab);
    const hello = tab.locator("#signed-in:not([hidden]) #user");
    return (await hello.count()) === 0 ? "nobody" : hello.innerText();
  }

  /** The server's time goes on by hours. */
  advance = (hours) => this.#application.advance(hours * HOURS);

  /** From now on the application knows of no session: its database is another. */
  forgetSessions() {
    this.#database = path.join(mkdtempSync(path.join(folder, "sessions-")), "sessions.db");
  }

  /** What the application has told of theft, and whatever else went wrong. */
  log = () => this.#application.log();

  /** How the refreshes so far were answered. */
  refreshes = () => this.#front.answered(REFRESH);

  forget = () => this.#front.forget();

  losingRefreshes = (action) => this.#front.losing(REFRESH, action);

  /** One lineage of one session, and nobody taken for a thief. */
  async isOneSession(tab) {
    assert.deepEqual(await this.call(tab, "GET", "/devices"), { status: 200, devices: 1 });
    assert.equal(this.#application.log(), "");
  }

  /** The session's cookies: names and domains. */
  async cookies() {
    const all = await this.context.cookies();
    const ours = all.filter(({ name }) => /s(Access|Refresh|IdRefresh)Token$/.test(name));
    return ours.map(({ name, domain }) => `${name} ${domain}`).sort();
  }

  async close() {
    for (const context of [this.context, ...this.#others]) await context?.close();
    await this.#application?.stop();
  }
}

/**
 * Runs a scenario with each release that can do it, in a browser of its own; what its tabs look like when it fails is kept.
 *
 * @param {object} options
 * @param {string[]} [options.releases]
 * @param {object | ((release: string) => object)} [options.settings] what is deployed at first
 * @param {keyof typeof COOKIES} [options.cookies] which cookies the browser takes
 */
export function scenario(name, { releases = [NEWEST, OLDEST], settings = {}, cookies = "of this site" }, action) {
  for (const release of releases) {
    test(`${release}: ${name}`, { skip }, async () => {
      const front = await startFront();
      const world = new World(release, front);
      try {
        await world.deploy(typeof settings === "function" ? settings(release) : settings);
        world.context = await open(cookies);
        await action(world, release);
      } catch (error) {
        await photograph(world.context, `${release}-${name}`);
        throw error;
      } finally {
        await world.close();
        await front.close();
      }
    });
  }
}

/** What a user may have chosen of cookies, as a profile says it. */
const COOKIES = {
  all: { cookie_controls_mode: 0, block_third_party_cookies: false },
  "of this site": { cookie_controls_mode: 1, block_third_party_cookies: true },
  none: { default_content_setting_values: { cookies: 2 } },
};

/** A browser that knows nothing yet. Only in a profile of its own can it be told of cookies. */
async function open(cookies) {
  const profile = mkdtempSync(path.join(folder, "profile-"));
  mkdirSync(path.join(profile, "Default"));
  writeFileSync(path.join(profile, "Default/Preferences"), JSON.stringify({ profile: COOKIES[cookies] }));
  return chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
}

async function photograph(context, name) {
  const folder = process.env.SCREENSHOTS ?? path.join(here, "../../../target/screenshots");
  mkdirSync(folder, { recursive: true });
  for (const [number, tab] of (context?.pages() ?? []).entries()) {
    await tab.screenshot({ path: path.join(folder, `${name.replaceAll(/\W+/g, "-")}-${number}.png`) });
  }
}
