// A page at one address and the application at another; and an application that moves.
import assert from "node:assert/strict";

import { NEWEST, OLDEST, scenario } from "./support/world.mjs";

const ADA = { status: 200, user: "ada" };

/**
 * The session's cookies. The first release goes by one more.
 *
 * @param {string} domain
 * @param {[string, string]} [prefixes] those of a cookie for all of the application, and of one for a path of it
 */
function cookiesOf(release, domain, [all, path] = ["__Host-", "__Secure-"]) {
  const names = [`${all}sAccessToken`, `${path}sRefreshToken`];
  if (release === OLDEST) names.push(`${all}sIdRefreshToken`);
  return names.map((name) => `${name} ${domain}`).sort();
}

/** Signs in, calls, keeps a note, waits until that needs a refresh, keeps another, signs out. */
async function wholeWay(world, cookies) {
  const tab = await world.open();
  await world.signIn(tab);
  assert.deepEqual(await world.me(tab), ADA);
  assert.deepEqual(await world.call(tab, "PUT", "/note", "milk"), { status: 200 });
  for (const note of ["bread", "salt"]) {
    await world.advance(2);
    world.forget();
    assert.deepEqual(await world.call(tab, "PUT", "/note", note), { status: 200 });
    assert.deepEqual(world.refreshes(), [200]);
    assert.deepEqual(await world.call(tab, "GET", "/note"), { status: 200, note });
    assert.deepEqual(await world.cookies(), cookies);
  }
  await world.isOneSession(tab);
  assert.equal(await world.shows(tab), "ada");
  await tab.click("text=Sign out");
  await tab.locator("#signed-out").waitFor();
  assert.deepEqual(await world.cookies(), []);
  world.forget();
  assert.equal((await world.me(tab)).status, 401);
  assert.deepEqual(world.refreshes(), []);
}

const SAME_SITE = { website: "www.example.test", api: "api.example.test" };
const OTHER_SITE = { website: "www.another.test", api: "api.example.test" };
const API = "api.example.test";

scenario("the application at another name of the same site", { settings: SAME_SITE }, (world, release) =>
  wholeWay(world, cookiesOf(release, API)),
);

scenario("the application at another site", { settings: OTHER_SITE, cookies: "all" }, (world, release) =>
  wholeWay(world, cookiesOf(release, API)),
);

const TOKEN = { ANTI_CSRF: "token" };
scenario("with anti-CSRF tokens", { settings: { ...SAME_SITE, ...TOKEN } }, (world, release) =>
  wholeWay(world, cookiesOf(release, API)),
);

scenario("with anti-CSRF tokens, at another site", { settings: { ...OTHER_SITE, ...TOKEN }, cookies: "all" }, (world, release) =>
  wholeWay(world, cookiesOf(release, API)),
);

// The first release knows no tokens but in cookies.
for (const [where, settings] of Object.entries({ "one address": {}, "two sites": OTHER_SITE })) {
  const options = { releases: [NEWEST], settings: { ...settings, TRANSFER: "header" } };
  scenario(`tokens in headers, at ${where}`, options, (world) => wholeWay(world, []));
}

scenario("the browser takes no cookies of another site", { settings: OTHER_SITE }, async (world) => {
  const tab = await world.open();
  world.forget();
  await world.signIn(tab);
  assert.equal((await world.me(tab)).status, 401);
  // Told once that there is nothing to refresh, the page knows.
  assert.deepEqual(world.refreshes(), [401]);
  for (let turn = 0; turn < 3; turn++) assert.equal((await world.me(tab)).status, 401);
  assert.equal(await world.shows(tab), "nobody");
  assert.deepEqual(world.refreshes(), [401]);
});

const HERE = { api: API, website: API };
const SHARED = { ...HERE, COOKIE_DOMAIN: "example.test" };
const PLAIN = { COOKIE_NAMES: "plain" };
const OWN = (release) => cookiesOf(release, API);
const ALL = (release) => cookiesOf(release, ".example.test", ["__Secure-", "__Secure-"]);
const ALL_PLAIN = (release) => cookiesOf(release, ".example.test", ["", ""]);

/** Deployments that follow each other, each told what the one before called its cookies. */
const MOVES = {
  "from its own name to all of its site": [HERE, OWN, { ...SHARED, FORMER_COOKIES: "prefixed@" }, ALL],
  "from all of its site to its own name": [SHARED, ALL, { ...HERE, FORMER_COOKIES: "prefixed@example.test" }, OWN],
  "from plain names for all of its site to others for its own": [
    { ...SHARED, ...PLAIN },
    ALL_PLAIN,
    { ...HERE, FORMER_COOKIES: "plain@example.test" },
    OWN,
  ],
};

for (const [name, [before, kept, after, keptThen]] of Object.entries(MOVES)) {
  scenario(`cookies move ${name}`, { settings: before }, async (world, release) => {
    const tab = await world.open();
    await world.signIn(tab);
    assert.deepEqual(await world.cookies(), kept(release));
    await world.deploy(after);
    world.forget();
    // What was good before is good now.
    assert.deepEqual(await world.me(tab), ADA);
    assert.deepEqual(world.refreshes(), []);
    await world.advance(2);
    for (let turn = 0; turn < 3; turn++) assert.deepEqual(await world.me(tab), ADA);
    assert.deepEqual(world.refreshes(), [200]);
    assert.deepEqual(await world.cookies(), keptThen(release));
    await world.isOneSession(tab);
    await tab.reload();
    await tab.click("text=Sign out");
    await tab.locator("#signed-out").waitFor();
    assert.deepEqual(await world.cookies(), []);
  });
}

/** Two cookies of one name, and nobody says which is the newer. */
scenario("cookies of one name move, and the deployment does not say so", { settings: { ...HERE, ...PLAIN } }, async (world) => {
  const tab = await world.open();
  await world.signIn(tab);
  await world.deploy({ ...SHARED, ...PLAIN });
  for (let turn = 0; turn < 3; turn++) {
    await world.advance(2);
    world.forget();
    for (let call = 0; call < 3; call++) assert.deepEqual(await world.me(tab), ADA);
    assert.deepEqual(world.refreshes(), [200]);
  }
  await world.isOneSession(tab);
});
