// Releases of supertokens-node from 2 to 24 behind Express: one table of scenarios, run by each release in turn, in the newest
// protocol that it speaks. A proxy tells what each asks of the server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { Browser } from "./support/browser.mjs";
import { startProxy } from "./support/proxy.mjs";
import { RELEASES, setUp } from "./support/releases.mjs";
import { express } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

const apiKey = "a-key-of-twenty-characters";
let server;
let core;

before(async () => {
  server = await startServer({ settings: { API_KEYS: apiKey, REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0" } });
  core = await startProxy(server);
});

after(async () => {
  await core?.close();
  await server?.stop();
});

/** An application on `sdk`; `open` answers a browser of its own. */
async function startApp(sdk) {
  const app = express();
  app.use(express.json());
  const route = (method, path, handler) =>
    app[method](path, (req, res, next) => handler(req, res).then((answer) => res.json(answer), next));
  const about = (session) => ({
    user: session.getUserId(),
    handle: session.getHandle(),
    payload: sdk.payload(session),
  });
  const withSession = (method, path, antiCsrf, handler) =>
    route(method, path, async (req, res) => handler(await sdk.check(req, res, antiCsrf), req));

  route("post", "/login", async (req, res) =>
    about(await sdk.create(req, res, req.query.user, { role: "editor", level: 1 }, { visits: 1 })),
  );
  route("post", "/session/refresh", async (req, res) => about(await sdk.refresh(req, res)));
  withSession("get", "/page", false, async (session) => about(session));
  withSession("post", "/guarded", true, async (session) => about(session));
  withSession("get", "/data", false, async (session) => sdk.data(session));
  withSession("post", "/data", true, async (session, req) => {
    await sdk.setData(session, JSON.parse(req.query.json));
    return {};
  });
  withSession("post", "/payload", true, async (session, req) => {
    await sdk.setPayload(session, JSON.parse(req.query.json));
    return about(session);
  });
  app.use((error, req, res, next) => {
    const known = sdk.describe(error);
    if (known === undefined) return next(error);
    res.status(440).json({ error: known.type, user: known.payload.userId, handle: known.payload.sessionHandle });
  });
  const listener = app.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    open: () => new Browser(`http://127.0.0.1:${listener.address().port}`),
    async close() {
      listener.close();
      listener.closeAllConnections();
      await once(listener, "close");
    },
  };
}

/** What the application answers; a failure shows all of it. */
async function ok(answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 200, text);
  return json();
}

async function refused(type, answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 440, text);
  assert.equal(json().error, type, text);
  return json();
}

const withJson = (path, value) => `${path}?json=${encodeURIComponent(JSON.stringify(value))}`;
const path = (requests) => requests.map((request) => request.split("/").at(-1));

/** What each release is asked to do. `login` answers a browser and the session that it has. */
const SCENARIOS = {
  "a session is created with its payload": async ({ login, user }) => {
    const { browser, made } = await login();
    assert.equal(made.user, user);
    assert.deepEqual([made.payload.role, made.payload.level], ["editor", 1]);
    assert.ok(browser.cookies.has("sAccessToken") && browser.cookies.has("sRefreshToken"));
  },
  "it is verified without a request to the server": async ({ login }) => {
    const { browser, made } = await login();
    // The first may fetch the keys.
    await ok(browser.send("GET", "/page"));
    const { result, requests } = await core.during(() => ok(browser.send("GET", "/page")));
    assert.deepEqual(requests, []);
    assert.deepEqual([result.user, result.handle, result.payload.role], [made.user, made.handle, "editor"]);
  },
  "a refresh brings other tokens of the same session": async ({ login }) => {
    const { browser, made } = await login();
    const before = browser.copy();
    const { result, requests } = await core.during(() => ok(browser.send("POST", "/session/refresh")));
    assert.deepEqual(path(requests), ["refresh"]);
    assert.deepEqual([result.user, result.handle, result.payload.role], [made.user, made.handle, "editor"]);
    for (const name of ["sAccessToken", "sRefreshToken"]) {
      assert.notEqual(browser.cookies.get(name).value, before.cookies.get(name).value, name);
    }
  },
  "the first use after a refresh asks the server, the second does not": async ({ login }) => {
    const { browser, made } = await login();
    await ok(browser.send("GET", "/page"));
    await ok(browser.send("POST", "/session/refresh"));
    const refreshed = browser.cookies.get("sAccessToken").value;
    const first = await core.during(() => ok(browser.send("GET", "/page")));
    assert.deepEqual(path(first.requests), ["verify"]);
    assert.notEqual(browser.cookies.get("sAccessToken").value, refreshed, "it brings a token without a mark");
    const second = await core.during(() => ok(browser.send("GET", "/page")));
    assert.deepEqual(second.requests, []);
    assert.equal(second.result.handle, made.handle);
  },
  "an old refresh token is theft, told with its session and user": async ({ login }) => {
    const { browser, made } = await login();
    const thief = browser.copy();
    await ok(browser.send("POST", "/session/refresh"));
    await ok(browser.send("GET", "/page"));
    const caught = await refused("TOKEN_THEFT_DETECTED", thief.send("POST", "/session/refresh"));
    assert.deepEqual([caught.user, caught.handle], [made.user, made.handle]);
  },
  "sessions of a user are listed": async ({ sdk, login, user }) => {
    assert.deepEqual(await sdk.list(user), []);
    const made = [await login(), await login()].map(({ made }) => made.handle);
    assert.deepEqual([...(await sdk.list(user))].sort(), made.sort());
  },
  "one session is revoked": async ({ sdk, login, user }) => {
    const [one, other] = [await login(), await login()];
    assert.equal(await sdk.revoke(one.made.handle), true);
    assert.equal(await sdk.revoke(one.made.handle), false);
    assert.deepEqual(await sdk.list(user), [other.made.handle]);
    await refused("UNAUTHORISED", one.browser.send("POST", "/session/refresh"));
    await ok(other.browser.send("POST", "/session/refresh"));
  },
  "all sessions of a user are revoked": async ({ sdk, login, user }) => {
    const made = [await login(), await login()];
    const revoked = await sdk.revokeAll(user);
    assert.deepEqual([...revoked].sort(), made.map(({ made }) => made.handle).sort());
    assert.deepEqual(await sdk.list(user), []);
    for (const { browser } of made) await refused("UNAUTHORISED", browser.send("POST", "/session/refresh"));
  },
  "session data are read and overwritten": async ({ login }) => {
    const { browser } = await login();
    assert.deepEqual(await ok(browser.send("GET", "/data")), { visits: 1 });
    const data = { cart: [1, { none: null }], "né": "世界" };
    await ok(browser.send("POST", withJson("/data", data)));
    assert.deepEqual(await ok(browser.send("GET", "/data")), data);
  },
  "a payload is updated, in the token and in the store": async ({ sdk, login }) => {
    const { browser, made } = await login();
    const before = browser.cookies.get("sAccessToken").value;
    const changed = await core.during(() => ok(browser.send("POST", withJson("/payload", { role: "admin", level: 2 }))));
    assert.deepEqual(path(changed.requests), ["regenerate"]);
    assert.notEqual(browser.cookies.get("sAccessToken").value, before);
    const { result, requests } = await core.during(() => ok(browser.send("GET", "/page")));
    assert.deepEqual(requests, []);
    const stored = await sdk.payloadByHandle(made.handle);
    const renewed = await ok(browser.send("POST", "/session/refresh"));
    for (const { role, level } of [result.payload, stored, renewed.payload]) {
      assert.deepEqual([role, level], ["admin", 2]);
    }
  },
  "an anti-CSRF token is needed where it is asked for": async ({ login }) => {
    const { browser } = await login();
    await ok(browser.send("POST", "/guarded"));
    const forged = browser.send("POST", "/guarded", { headers: { "anti-csrf": "guess" } });
    await refused("TRY_REFRESH_TOKEN", forged);
    const stranger = browser.copy();
    stranger.antiCsrf = undefined;
    await refused("TRY_REFRESH_TOKEN", stranger.send("POST", "/guarded"));
    await ok(stranger.send("GET", "/page"));
  },
};

for (const [release, { protocol }] of Object.entries(RELEASES)) {
  test(`supertokens-node ${release}`, async (t) => {
    core.versions();
    const sdk = setUp(release, { url: `http://${core.hostname}:${core.port}`, apiKey });
    const app = await startApp(sdk);
    t.after(() => app.close());
    let passed = 0;
    for (const [number, [name, scenario]] of Object.entries(SCENARIOS).entries()) {
      const user = `user-${release}-${number}`;
      const login = async () => {
        const browser = app.open();
        return { browser, made: await ok(browser.send("POST", `/login?user=${user}`)) };
      };
      await t.test(name, async () => {
        await scenario({ sdk, login, user });
        passed++;
      });
    }
    assert.deepEqual(core.versions(), [protocol], "it speaks the newest protocol that it knows, and no other");
    t.diagnostic(`supertokens-node ${release}: ${passed} of ${Object.keys(SCENARIOS).length}`);
  });
}
