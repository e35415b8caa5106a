// The Express functions of supertokens-node 1.0.1: what a browser gets to see.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { Browser } from "./support/browser.mjs";
import { express, expressSdk as sdk } from "./support/sdk.mjs";
import { startServer } from "./support/server.mjs";

let server;
const apps = [];

before(async () => {
  server = await startServer();
  sdk.init([server]);
});

after(async () => {
  for (const listener of apps) {
    listener.close();
    listener.closeAllConnections();
    await once(listener, "close");
  }
  await server?.stop();
});

/** Runs an application for one test; answers a browser that has it open. */
async function open() {
  const app = express();
  const route = (method, path, handler) => {
    app[method](path, (req, res, next) => handler(req, res).then((answer) => res.json(answer), next));
  };
  route("post", "/login", async (req, res) => {
    const session = await sdk.createNewSession(res, req.query.user, { role: "guest", none: null }, { cart: [1] });
    return { userId: session.getUserId(), payload: session.getJWTPayload() };
  });
  route("post", "/session/refresh", async (req, res) => {
    const session = await sdk.refreshSession(req, res);
    return { userId: session.getUserId(), payload: session.getJWTPayload() };
  });
  const withSession = (method, path, checkCsrf, handler) =>
    route(method, path, async (req, res) => handler(await sdk.getSession(req, res, checkCsrf), req));
  withSession("get", "/page", false, async (session) => ({ userId: session.getUserId(), payload: session.getJWTPayload() }));
  withSession("post", "/guarded", true, async (session) => ({ userId: session.getUserId() }));
  withSession("get", "/data", false, async (session) => ({ data: await session.getSessionData() }));
  withSession("post", "/data", true, async (session, req) => {
    await session.updateSessionData(JSON.parse(req.query.data));
    return {};
  });
  withSession("post", "/logout", true, async (session) => {
    await session.revokeSession();
    return {};
  });
  app.options("/page", (req, res) => {
    sdk.setRelevantHeadersForOptionsAPI(res);
    res.end();
  });
  app.use((error, req, res, next) => {
    if (!sdk.Error.isErrorFromAuth(error)) return next(error);
    const name = Object.keys(sdk.Error).find((key) => sdk.Error[key] === error.errType);
    const { sessionHandle, userId, message } = error.err;
    res.status(440).json(sessionHandle ? { error: name, sessionHandle, userId } : { error: name, message });
  });
  const listener = app.listen(0, "127.0.0.1");
  await once(listener, "listening");
  apps.push(listener);
  return new Browser(`http://127.0.0.1:${listener.address().port}`);
}

const COOKIES = ["sAccessToken", "sIdRefreshToken", "sRefreshToken"];

/** All three cookies are taken back, and the frontend is told. */
function assertCleared(answer) {
  assert.deepEqual(Object.keys(answer.cookies).sort(), COOKIES);
  for (const cookie of Object.values(answer.cookies)) {
    assert.equal(cookie.value, "");
    assert.equal(Date.parse(cookie.expires), 0);
    assert.equal(cookie.domain, "localhost");
    assert.equal(cookie.path, cookie.name === "sRefreshToken" ? "/session/refresh" : "/");
  }
  assert.equal(answer.headers.get("id-refresh-token"), "remove");
  assert.match(answer.headers.get("access-control-expose-headers"), /\bid-refresh-token\b/);
}

/** Three cookies as the server's settings have them, and the headers for the frontend. */
function assertIssued(answer) {
  assert.deepEqual(Object.keys(answer.cookies).sort(), COOKIES);
  for (const cookie of Object.values(answer.cookies)) {
    assert.notEqual(cookie.value, "");
    assert.equal(cookie.domain, "localhost");
    assert.equal(cookie.secure, true);
    assert.equal(cookie.httponly, true);
    assert.equal(cookie.samesite, "None");
  }
  const { sAccessToken, sRefreshToken, sIdRefreshToken } = answer.cookies;
  assert.equal(sAccessToken.path, "/");
  assert.equal(sRefreshToken.path, "/session/refresh");
  assert.equal(sIdRefreshToken.path, "/");
  assert.ok(`sAccessToken=${sAccessToken.value}`.length <= 4096, "browsers drop what is longer");
  assert.equal(sRefreshToken.expires, sIdRefreshToken.expires);
  assert.ok(Date.parse(sAccessToken.expires) < Date.parse(sRefreshToken.expires));

  const [idToken, expiry, ...rest] = answer.headers.get("id-refresh-token").split(";");
  assert.deepEqual(rest, []);
  assert.equal(idToken, sIdRefreshToken.value);
  assert.equal(new Date(Number(expiry)).toUTCString(), sIdRefreshToken.expires);
  assert.ok(answer.headers.get("anti-csrf"));
  const exposed = answer.headers.get("access-control-expose-headers").split(", ").sort();
  assert.deepEqual(exposed, ["anti-csrf", "id-refresh-token"]);
}

test("signing in sets three cookies and two headers", async () => {
  const browser = await open();
  const answer = await browser.send("POST", "/login?user=maria");
  assert.deepEqual(answer.json(), { userId: "maria", payload: { role: "guest", none: null } });
  assertIssued(answer);
});

test("a signed-in request finds its session, and no cookie changes", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=maria");
  const page = await browser.send("GET", "/page");
  assert.deepEqual(page.json(), { userId: "maria", payload: { role: "guest", none: null } });
  assert.deepEqual(page.cookies, {});
  assert.equal(page.headers.get("id-refresh-token"), null);
});

test("session data are read and written through the session", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=data");
  assert.deepEqual((await browser.send("GET", "/data")).json(), { data: { cart: [1] } });
  const data = { cart: [1, { n: null }], "né": "世界" };
  await browser.send("POST", `/data?data=${encodeURIComponent(JSON.stringify(data))}`);
  assert.deepEqual((await browser.send("GET", "/data")).json(), { data });
});

test("a refresh replaces all cookies; the next request confirms with a new access token only", async () => {
  const browser = await open();
  const login = await browser.send("POST", "/login?user=renew");
  const renewed = await browser.send("POST", "/session/refresh");
  assert.deepEqual(renewed.json(), { userId: "renew", payload: { role: "guest", none: null } });
  assertIssued(renewed);
  for (const name of ["sAccessToken", "sRefreshToken"]) {
    assert.notEqual(renewed.cookies[name].value, login.cookies[name].value);
  }
  const first = await browser.send("GET", "/page");
  assert.deepEqual(Object.keys(first.cookies), ["sAccessToken"]);
  assert.equal(first.cookies.sAccessToken.path, "/");
  const second = await browser.send("GET", "/page");
  assert.equal(second.status, 200);
  assert.deepEqual(second.cookies, {});
});

test("a guarded request needs the anti-CSRF header", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=csrf");
  assert.equal((await browser.send("POST", "/guarded")).status, 200);
  const forged = await browser.send("POST", "/guarded", { headers: { "anti-csrf": "guess" } });
  assert.equal(forged.json().error, "TRY_REFRESH_TOKEN");
  assert.deepEqual(forged.cookies, {}, "the session itself is not in doubt");
  const stranger = browser.copy();
  stranger.antiCsrf = undefined;
  assert.equal((await stranger.send("POST", "/guarded")).json().error, "TRY_REFRESH_TOKEN");
  assert.equal((await stranger.send("GET", "/page")).status, 200);
});

test("signing out revokes the session and takes the cookies back", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=bye");
  const before = browser.copy();
  assertCleared(await browser.send("POST", "/logout"));
  assert.equal(browser.cookies.size, 0);
  const refused = await before.send("POST", "/session/refresh");
  assert.equal(refused.json().error, "UNAUTHORISED");
  assertCleared(refused);
});

test("a second sign-out deletes nothing, and so clears nothing", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=bye-twice");
  const before = browser.copy();
  await browser.send("POST", "/logout");
  const again = await before.send("POST", "/logout");
  assert.equal(again.status, 200);
  assert.deepEqual(again.cookies, {});
});

test("the data of a revoked session are UNAUTHORISED, and the cookies go", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=revoked-data");
  assert.equal(await sdk.revokeAllSessionsForUser("revoked-data"), 1);
  const read = await browser.copy().send("GET", "/data");
  assert.equal(read.json().error, "UNAUTHORISED");
  assertCleared(read);
  const write = await browser.send("POST", "/data?data={}");
  assert.equal(write.json().error, "UNAUTHORISED");
  assertCleared(write);
});

test("an unconfirmed token of a revoked session is UNAUTHORISED, and the cookies go", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=revoked-page");
  await browser.send("POST", "/session/refresh");
  assert.equal(await sdk.revokeAllSessionsForUser("revoked-page"), 1);
  const page = await browser.send("GET", "/page");
  assert.equal(page.json().error, "UNAUTHORISED");
  assertCleared(page);
});

test("theft is reported with the session and its user, and the cookies go", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=victim");
  const thief = browser.copy();
  for (let turn = 0; turn < 2; turn++) {
    await browser.send("POST", "/session/refresh");
    await browser.send("GET", "/page");
  }
  const caught = await thief.send("POST", "/session/refresh");
  const [handle] = await sdk.getAllSessionHandlesForUser("victim");
  assert.deepEqual(caught.json(), { error: "TOKEN_THEFT_DETECTED", sessionHandle: handle, userId: "victim" });
  assertCleared(caught);
  assert.equal(await sdk.revokeSessionUsingSessionHandle(handle), true);
  assert.equal((await browser.send("POST", "/session/refresh")).json().error, "UNAUTHORISED");
});

test("requests without cookies are told what to do", async () => {
  const browser = await open();
  assert.equal((await browser.send("GET", "/page")).json().error, "TRY_REFRESH_TOKEN");
  const refresh = await browser.send("POST", "/session/refresh");
  assert.equal(refresh.json().error, "UNAUTHORISED");
  assertCleared(refresh);

  await browser.send("POST", "/login?user=half");
  browser.cookies.delete("sIdRefreshToken");
  const half = await browser.send("GET", "/page");
  assert.equal(half.json().error, "UNAUTHORISED");
  assertCleared(half);
});

test("the frontend SDK's name goes along to the server and hurts nothing", async () => {
  const browser = await open();
  await browser.send("POST", "/login?user=device");
  const headers = { "supertokens-sdk-name": "website", "supertokens-sdk-version": "1.2.3" };
  assert.equal((await browser.send("POST", "/session/refresh", { headers })).status, 200);
  assert.equal((await browser.send("GET", "/page", { headers })).status, 200);
});

test("the answer to OPTIONS names the headers that the frontend SDK sends", async () => {
  const browser = await open();
  const { headers } = await browser.send("OPTIONS", "/page");
  const allowed = headers.get("access-control-allow-headers").split(", ").sort();
  assert.deepEqual(allowed, ["anti-csrf", "supertokens-sdk-name", "supertokens-sdk-version"]);
  assert.equal(headers.get("access-control-allow-credentials"), "true");
});
