// Releases of supertokens-node on one session: each goes on where another left off, in its own protocol. The library's tests of
// the decision cover what may happen in between; here it is real clients that meet.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { readToken } from "./support/access-token.mjs";
import { DATA, PAYLOAD, lastParts, ok, refused, startApp, withJson } from "./support/application.mjs";
import { send } from "./support/http.mjs";
import { RELEASES } from "./support/releases.mjs";
import { startServer } from "./support/server.mjs";

const releases = Object.keys(RELEASES);
const reversed = releases.toReversed();
const [oldest, newest] = [releases.at(0), releases.at(-1)];
const isAtLeast = (release, other) => releases.indexOf(release) >= releases.indexOf(other);
const apps = {};
let server;

before(async () => {
  server = await startServer({ settings: { REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0" } });
  for (const release of releases) {
    apps[release] = await startApp(release, server);
    // Each fetches its keys once; what is asked for after that is counted.
    const { browser } = await apps[release].login("first");
    await ok(browser.send("GET", "/page"));
  }
});

after(async () => {
  await Promise.all(Object.values(apps).map((app) => app.close()));
  await server?.stop();
});

const held = (browser, name) => decodeURIComponent(browser.cookies.get(name).value);
const format = (browser) => readToken(held(browser, "sAccessToken")).header.version;

/** The format that a release's protocol has for access tokens. */
function formatOf(release) {
  const since = { "1.0.1": "1", "2.5.0": "2", "14.1.4": "3", "15.2.3": "4", "16.7.6": "5" };
  return since[Object.keys(since).findLast((first) => isAtLeast(release, first))];
}

/** What a release says of another's access token, without a refresh. */
function firstAnswer(release, browser) {
  if (isAtLeast(release, "13.6.1")) {
    // These do without that cookie, and have a client that brings one refresh.
    if (browser.cookies.has("sIdRefreshToken")) return "TRY_REFRESH_TOKEN";
    if (release === "13.6.1" && Number(format(browser)) > 2) return "UNAUTHORISED";
  }
  // The older ones ask the server about all that they cannot read.
  return "OK";
}

/** Has `browser` talk to the application on `release`, as if the application had been changed to it. */
function move(browser, release) {
  browser.url = apps[release].url;
  // Releases before 13 look whether it is there, and that is all anybody does with it.
  if (!isAtLeast(release, "13.6.1") && !browser.cookies.has("sIdRefreshToken")) {
    browser.cookies.set("sIdRefreshToken", { name: "sIdRefreshToken", value: "any", path: "/" });
  }
}

/** The session `made` goes on with `release`: verified as it comes, refreshed, verified, read and written. */
async function goOn(browser, made, release, turn) {
  const isSame = ({ user, handle, payload }) => {
    assert.deepEqual([user, handle], [made.user, made.handle]);
    assert.deepEqual([payload.role, payload.level], [PAYLOAD.role, PAYLOAD.level]);
  };
  move(browser, release);
  const expected = firstAnswer(release, browser);
  if (expected === "OK") isSame(await ok(browser.send("GET", "/page")));
  else await refused(expected, browser.copy().send("GET", "/page"));

  isSame(await ok(browser.send("POST", "/session/refresh")));
  assert.equal(format(browser), formatOf(release));
  const first = await apps[release].core.during(() => ok(browser.send("POST", "/guarded")));
  isSame(first.result);
  assert.deepEqual(lastParts(first.requests), ["verify"], "the refreshed token is confirmed");
  const second = await apps[release].core.during(() => ok(browser.send("POST", "/guarded")));
  isSame(second.result);
  assert.deepEqual(second.requests, []);

  assert.deepEqual(await ok(browser.send("GET", "/data")), turn === 0 ? DATA : { turn });
  await ok(browser.send("POST", withJson("/data", { turn: turn + 1 })));
  assert.deepEqual(await apps[release].sdk.list(made.user), [made.handle]);
}

const ROUTES = {
  "from the oldest release to the newest and back, through all": [...releases, ...reversed.slice(1)],
  "from the newest release to the oldest and back, through all": [...reversed, ...releases.slice(1)],
  "from the oldest release to the newest at once": [oldest, newest],
  "from the newest release to the oldest at once": [newest, oldest],
};

for (const [name, [first, ...others]] of Object.entries(ROUTES)) {
  test(`one session goes ${name}`, async () => {
    const { browser, made } = await apps[first].login(`user-${name.replaceAll(/[^a-z]/g, "-")}`);
    const thief = browser.copy();
    for (const [turn, release] of others.entries()) await goOn(browser, made, release, turn);

    const last = others.at(-1);
    for (const release of [first, last]) {
      move(thief, release);
      const caught = await refused("TOKEN_THEFT_DETECTED", thief.copy().send("POST", "/session/refresh"));
      assert.deepEqual([caught.user, caught.handle], [made.user, made.handle]);
    }
    assert.equal(await apps[last].sdk.revoke(made.handle), true);
    for (const release of [first, last]) {
      const late = browser.copy();
      move(late, release);
      await refused("UNAUTHORISED", late.send("POST", "/session/refresh"));
      assert.deepEqual(await apps[release].sdk.list(made.user), []);
    }
  });
}

/** Asks the server itself, in a protocol that may be newer than any SDK's. */
async function ask(version, path, json) {
  const headers = version === undefined ? {} : { "cdi-version": version };
  const { status, text } = await send(server, "POST", path, { json, headers });
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

test("access tokens of all formats live side by side, and are verified by all protocols", async () => {
  const verify = { doAntiCsrfCheck: false, enableAntiCsrf: true, checkDatabase: true };
  const paths = { undefined: "/session/verify", 2.3: "/session/verify" };
  for (const [number, release] of [oldest, "2.5.0", "14.1.4", "15.2.3", newest].entries()) {
    const { browser, made } = await apps[release].login(`format-${release}`);
    assert.equal(format(browser), String(number + 1));
    for (const version of [undefined, "2.3", "2.20", "2.21", "3.0", "4.0", "5.4", "5.6"]) {
      const path = paths[version] ?? "/recipe/session/verify";
      const answer = await ask(version, path, { ...verify, accessToken: held(browser, "sAccessToken") });
      assert.equal(answer.status, "OK", `V${number + 1}, protocol ${version}: ${answer.message}`);
      assert.deepEqual([answer.session.userId, answer.session.handle], [made.user, made.handle]);
      assert.equal(answer.session.userDataInJWT.role, PAYLOAD.role);
    }
  }
});

test("a session is refreshed by turns in protocols that confirm on use and in one that rotates at once", async () => {
  const rotate = async (browser) => {
    const answer = await ask("5.6", "/recipe/session/refresh", {
      refreshToken: held(browser, "sRefreshToken"),
      antiCsrfToken: browser.antiCsrf,
      enableAntiCsrf: true,
      useDynamicSigningKey: true,
    });
    for (const [name, { token }] of [
      ["sAccessToken", answer.accessToken ?? {}],
      ["sRefreshToken", answer.refreshToken ?? {}],
    ]) {
      if (token) browser.cookies.set(name, { ...browser.cookies.get(name), value: encodeURIComponent(token) });
    }
    browser.antiCsrf = answer.antiCsrfToken ?? browser.antiCsrf;
    return answer.status;
  };
  const { browser, made } = await apps[newest].login("mixed");
  for (const release of [newest, oldest, "8.6.0", newest]) {
    assert.equal(await rotate(browser), "OK");
    move(browser, newest);
    browser.cookies.delete("sIdRefreshToken");
    const rotated = await apps[newest].core.during(() => ok(browser.send("POST", "/guarded")));
    assert.deepEqual([rotated.requests, rotated.result.handle], [[], made.handle], "there is nothing to confirm");
    move(browser, release);
    // Given, and not yet confirmed by anything: the next turn rotates it.
    assert.equal((await ok(browser.send("POST", "/session/refresh"))).handle, made.handle);
  }
  const thief = browser.copy();
  assert.equal(await rotate(browser), "OK");
  assert.equal(await rotate(browser), "OK");
  const caught = await refused("TOKEN_THEFT_DETECTED", thief.copy().send("POST", "/session/refresh"));
  assert.equal(caught.handle, made.handle);
  // So far it was told only. The newest protocol puts an end to the session.
  assert.deepEqual(await apps[newest].sdk.list("mixed"), [made.handle]);
  assert.equal(await rotate(thief), "TOKEN_THEFT_DETECTED");
  assert.deepEqual(await apps[newest].sdk.list("mixed"), []);
  assert.equal(await rotate(browser), "UNAUTHORISED");
});
