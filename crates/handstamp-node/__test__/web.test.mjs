// What a browser gets to see, with each framework and on each backend.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, test } from "node:test";

import { Browser } from "../../../tests/sdk/support/browser.mjs";
import * as expressApi from "../index.mjs";
import * as fastifyApi from "../fastify.mjs";
import * as koaApi from "../koa.mjs";
import { OURS, open, requireOfServerTests } from "./support/backends.mjs";
import { refuses } from "./support/failures.mjs";
import { listen } from "./support/listen.mjs";

const require = createRequire(import.meta.url);
const { Error: SessionError } = expressApi;

/** What the routes do, once for all frameworks: `api` has its functions bound to the request at hand. */
const ROUTES = {
  "POST /login": async (api, { user }) => {
    const session = await api.createNewSession(user, { role: "guest", none: null }, { cart: [1] });
    return { userId: session.getUserId(), payload: session.getJWTPayload() };
  },
  "POST /session/refresh": async (api) => {
    const session = await api.refreshSession();
    return { userId: session.getUserId(), payload: session.getJWTPayload() };
  },
  "GET /page": async (api) => {
    const session = await api.getSession(false);
    return { userId: session.getUserId(), payload: session.getJWTPayload() };
  },
  "POST /guarded": async (api) => ({ userId: (await api.getSession(true)).getUserId() }),
  "GET /data": async (api) => ({ data: await (await api.getSession(false)).getSessionData() }),
  "POST /data": async (api, { data }) => {
    await (await api.getSession(true)).updateSessionData(JSON.parse(data));
    return {};
  },
  "POST /logout": async (api) => {
    await (await api.getSession(true)).revokeSession();
    return {};
  },
  "OPTIONS /page": async (api) => {
    api.setRelevantHeadersForOptionsAPI();
    return {};
  },
};

/** Runs a route; answers status and body. */
async function outcomeOf(route, api, query) {
  try {
    return [200, await route(api, query)];
  } catch (error) {
    if (!SessionError.isErrorFromAuth(error)) throw error;
    return [440, { error: error.code, ...(error.code === "TOKEN_THEFT_DETECTED" && error.err) }];
  }
}

const bound = (functions, request, response) => ({
  createNewSession: (...args) => functions.createNewSession(response, ...args),
  getSession: (check) => functions.getSession(request, response, check),
  refreshSession: () => functions.refreshSession(request, response),
  setRelevantHeadersForOptionsAPI: () => functions.setRelevantHeadersForOptionsAPI(response),
});

/** An application that serves the routes with sessions `sdk`; answers its address. */
const FRAMEWORKS = {
  async express(sdk) {
    const app = requireOfServerTests("express")();
    const functions = expressApi.withSessions(sdk);
    for (const [name, route] of Object.entries(ROUTES)) {
      const [method, path] = name.split(" ");
      app[method.toLowerCase()](path, (req, res, next) => {
        outcomeOf(route, bound(functions, req, res), req.query).then(([status, body]) => res.status(status).json(body), next);
      });
    }
    return listen(createServer(app));
  },
  async connect(sdk) {
    const app = require("connect")();
    const functions = expressApi.withSessions(sdk);
    app.use((req, res, next) => {
      const { pathname, searchParams } = new URL(req.url, "http://localhost");
      const answer = ([status, body]) => res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      outcomeOf(ROUTES[`${req.method} ${pathname}`], bound(functions, req, res), Object.fromEntries(searchParams)).then(answer, next);
    });
    return listen(createServer(app));
  },
  async fastify(sdk) {
    const app = require("fastify")();
    const functions = fastifyApi.withSessions(sdk);
    for (const [name, route] of Object.entries(ROUTES)) {
      const [method, url] = name.split(" ");
      app.route({
        method,
        url,
        handler: async (request, reply) => {
          const [status, body] = await outcomeOf(route, bound(functions, request, reply), request.query);
          return reply.code(status).send(body);
        },
      });
    }
    after(() => app.close());
    return app.listen({ port: 0, host: "127.0.0.1" });
  },
  async koa(sdk) {
    const Koa = require("koa");
    const app = new Koa();
    const functions = koaApi.withSessions(sdk);
    app.use(async (ctx) => {
      const api = {
        createNewSession: (...args) => functions.createNewSession(ctx, ...args),
        getSession: (check) => functions.getSession(ctx, check),
        refreshSession: () => functions.refreshSession(ctx),
        setRelevantHeadersForOptionsAPI: () => functions.setRelevantHeadersForOptionsAPI(ctx),
      };
      const [status, body] = await outcomeOf(ROUTES[`${ctx.method} ${ctx.path}`], api, ctx.query);
      ctx.status = status;
      ctx.body = body;
    });
    return listen(createServer(app.callback()));
  },
};

const COOKIES = ["sAccessToken", "sIdRefreshToken", "sRefreshToken"];
const DOMAIN = "sessions.test";
const USER = { userId: "maria", payload: { role: "guest", none: null } };

function assertCleared(answer) {
  assert.deepEqual(Object.keys(answer.cookies).sort(), COOKIES);
  for (const cookie of Object.values(answer.cookies)) {
    assert.equal(cookie.value, "");
    assert.equal(Date.parse(cookie.expires), 0);
    assert.equal(cookie.domain, DOMAIN);
    assert.equal(cookie.path, cookie.name === "sRefreshToken" ? "/session/refresh" : "/");
  }
  assert.equal(answer.headers.get("id-refresh-token"), "remove");
  assert.match(answer.headers.get("access-control-expose-headers"), /\bid-refresh-token\b/);
}

function assertIssued(answer) {
  assert.deepEqual(Object.keys(answer.cookies).sort(), COOKIES);
  for (const cookie of Object.values(answer.cookies)) {
    assert.notEqual(cookie.value, "");
    const { domain, secure, httponly, samesite } = cookie;
    assert.deepEqual({ domain, secure, httponly, samesite }, { domain: DOMAIN, secure: true, httponly: true, samesite: "None" });
  }
  const { sAccessToken, sRefreshToken, sIdRefreshToken } = answer.cookies;
  assert.deepEqual([sAccessToken.path, sRefreshToken.path, sIdRefreshToken.path], ["/", "/session/refresh", "/"]);
  assert.equal(sRefreshToken.expires, sIdRefreshToken.expires);
  assert.ok(Date.parse(sAccessToken.expires) < Date.parse(sRefreshToken.expires));
  const [idToken, expiry, ...rest] = answer.headers.get("id-refresh-token").split(";");
  assert.deepEqual([idToken, rest], [sIdRefreshToken.value, []]);
  assert.equal(new Date(Number(expiry)).toUTCString(), sIdRefreshToken.expires);
  assert.ok(answer.headers.get("anti-csrf"));
  const exposed = answer.headers.get("access-control-expose-headers").split(", ").sort();
  assert.deepEqual(exposed, ["anti-csrf", "id-refresh-token"]);
}

const SCENARIOS = {
  "sign in, visit, refresh, visit, sign out": async (browser) => {
    const login = await browser.send("POST", "/login?user=maria");
    assert.deepEqual(login.json(), USER);
    assertIssued(login);
    const page = await browser.send("GET", "/page");
    assert.deepEqual([page.json(), page.cookies, page.headers.get("id-refresh-token")], [USER, {}, null]);
    const renewed = await browser.send("POST", "/session/refresh");
    assert.deepEqual(renewed.json(), USER);
    assertIssued(renewed);
    assert.notEqual(renewed.cookies.sRefreshToken.value, login.cookies.sRefreshToken.value);
    const first = await browser.send("GET", "/page");
    assert.deepEqual(Object.keys(first.cookies), ["sAccessToken"]);
    assert.equal(first.cookies.sAccessToken.samesite, "None");
    assert.deepEqual((await browser.send("GET", "/page")).cookies, {});
    const before = browser.copy();
    assertCleared(await browser.send("POST", "/logout"));
    assert.equal(browser.cookies.size, 0);
    const refused = await before.send("POST", "/session/refresh");
    assert.equal(refused.json().error, "UNAUTHORISED");
    assertCleared(refused);
  },
  "session data through the session": async (browser, sdk) => {
    await browser.send("POST", "/login?user=data");
    assert.deepEqual((await browser.send("GET", "/data")).json(), { data: { cart: [1] } });
    const data = { cart: [1, { n: null }], "né": "世界" };
    await browser.send("POST", `/data?data=${encodeURIComponent(JSON.stringify(data))}`);
    assert.deepEqual((await browser.send("GET", "/data")).json(), { data });
    assert.equal(await sdk.revokeAllSessionsForUser("data"), 1);
    const gone = await browser.copy().send("GET", "/data");
    assert.equal(gone.json().error, "UNAUTHORISED");
    assertCleared(gone);
    const written = await browser.send("POST", "/data?data={}");
    assert.equal(written.json().error, "UNAUTHORISED");
    assertCleared(written);
  },
  "a guarded request needs the anti-CSRF header": async (browser) => {
    await browser.send("POST", "/login?user=csrf");
    assert.equal((await browser.send("POST", "/guarded")).status, 200);
    const forged = await browser.send("POST", "/guarded", { headers: { "anti-csrf": "guess" } });
    assert.deepEqual([forged.json().error, forged.cookies], ["TRY_REFRESH_TOKEN", {}]);
    const stranger = browser.copy();
    stranger.antiCsrf = undefined;
    assert.equal((await stranger.send("POST", "/guarded")).json().error, "TRY_REFRESH_TOKEN");
    assert.equal((await stranger.send("GET", "/page")).status, 200);
  },
  "a second sign-out ends nothing, and so clears nothing": async (browser) => {
    await browser.send("POST", "/login?user=bye");
    const before = browser.copy();
    await browser.send("POST", "/logout");
    const again = await before.send("POST", "/logout");
    assert.deepEqual([again.status, again.cookies], [200, {}]);
  },
  "theft is reported with the session and its user, and the cookies go": async (browser, sdk) => {
    await browser.send("POST", "/login?user=victim");
    const thief = browser.copy();
    const [handle] = await sdk.getAllSessionHandlesForUser("victim");
    for (let turn = 0; turn < 2; turn++) {
      await browser.send("POST", "/session/refresh");
      await browser.send("GET", "/page");
    }
    const caught = await thief.send("POST", "/session/refresh");
    assert.deepEqual(caught.json(), { error: "TOKEN_THEFT_DETECTED", sessionHandle: handle, userId: "victim" });
    assertCleared(caught);
    assert.equal((await browser.send("POST", "/session/refresh")).json().error, "UNAUTHORISED");
  },
  "requests without cookies are told what to do": async (browser) => {
    assert.equal((await browser.send("GET", "/page")).json().error, "TRY_REFRESH_TOKEN");
    const refresh = await browser.send("POST", "/session/refresh");
    assert.equal(refresh.json().error, "UNAUTHORISED");
    assertCleared(refresh);
    await browser.send("POST", "/login?user=half");
    browser.cookies.delete("sIdRefreshToken");
    const half = await browser.send("GET", "/page");
    assert.equal(half.json().error, "UNAUTHORISED");
    assertCleared(half);
  },
  "cookies that nobody understands are none": async (browser) => {
    for (const cookie of ["", "=", ";;;", "sAccessToken", "sAccessToken=%ZZ", "__proto__=x; sAccessToken=j:{}", "\u0080\u00ff"]) {
      const answer = await browser.send("GET", "/page", { headers: { cookie } });
      assert.equal(answer.status, 440);
    }
  },
  "the answer to OPTIONS names the headers that the frontend SDK sends": async (browser) => {
    const { headers } = await browser.send("OPTIONS", "/page");
    const allowed = headers.get("access-control-allow-headers").split(", ").sort();
    assert.deepEqual(allowed, ["anti-csrf", "supertokens-sdk-name", "supertokens-sdk-version"]);
    assert.equal(headers.get("access-control-allow-credentials"), "true");
  },
};

for (const [backend, { skip, start }] of Object.entries(OURS)) {
  for (const [framework, serve] of Object.entries(FRAMEWORKS)) {
    test(`${framework} on ${backend}`, { skip }, async (t) => {
      const { sdk } = await start();
      const url = await serve(sdk);
      for (const [name, scenario] of Object.entries(SCENARIOS)) await t.test(name, () => scenario(new Browser(url), sdk));
    });
  }
}

test("cookies that are not for https only are not for other sites", async () => {
  const sdk = open({ database: "memory:", cookieSecure: false, accessTokenPath: "/api", refreshTokenPath: "/api/refresh" });
  const browser = new Browser(await FRAMEWORKS.connect(sdk));
  const { cookies } = await browser.send("POST", "/login?user=plain");
  for (const { samesite, secure, domain } of Object.values(cookies)) assert.deepEqual([samesite, secure, domain], ["Lax", undefined, undefined]);
  assert.deepEqual([cookies.sAccessToken.path, cookies.sRefreshToken.path], ["/api", "/api/refresh"]);
});

test("a second session in one response takes the place of the first", async () => {
  const sdk = open({ database: "memory:" });
  const functions = expressApi.withSessions(sdk);
  const url = await listen(
    createServer(async (req, res) => {
      res.setHeader("Set-Cookie", "other=1");
      await functions.createNewSession(res, "first");
      await functions.createNewSession(res, "second");
      res.end();
    }),
  );
  const response = await fetch(url);
  const names = response.headers.getSetCookie().map((cookie) => cookie.split("=")[0]);
  assert.deepEqual(names.sort(), ["other", ...COOKIES]);
  assert.equal(response.headers.get("id-refresh-token").split(",").length, 1);
  assert.equal(response.headers.get("anti-csrf").split(",").length, 1);
});

test("the longest times there may be are times that a browser can read in a cookie", async () => {
  const longest = 3_153_600_000_000;
  const sdk = open({
    database: "memory:",
    accessTokenValidity: 86_400_000_000,
    refreshTokenValidity: longest,
    absoluteLifetime: longest,
    signingKeyInterval: longest,
  });
  const browser = new Browser(await FRAMEWORKS.connect(sdk));
  const { cookies } = await browser.send("POST", "/login?user=long");
  assert.deepEqual(Object.keys(cookies).sort(), COOKIES);
  for (const { expires } of Object.values(cookies)) assert.match(expires, /^\w{3}, \d\d \w{3} \d{4} /);
  assert.equal((await browser.send("POST", "/session/refresh")).status, 200);
});

test("what is no request or response is refused, and what is no flag", async () => {
  const sdk = open({ database: "memory:" });
  const apis = [
    [expressApi, { getHeader() {}, setHeader() {} }],
    [fastifyApi, { getHeader() {}, header() {}, removeHeader() {} }],
  ];
  for (const [api, response] of apis) {
    const { createNewSession, getSession, refreshSession, setRelevantHeadersForOptionsAPI } = api.withSessions(sdk);
    for (const value of [undefined, null, 1, "x", {}, 1n, () => {}]) {
      await refuses("res", /must be a response/, createNewSession(value, "user"));
      await refuses("res", /must be a response/, getSession({ headers: {} }, value, true));
      await refuses("res", /must be a response/, refreshSession({ headers: {} }, value));
      await refuses("res", /must be a response/, (async () => setRelevantHeadersForOptionsAPI(value))());
      await refuses("req", /must be a request/, getSession(value, response, true));
      await refuses("req", /must be a request/, refreshSession(value, response));
      if (typeof value !== "boolean") await refuses("doAntiCsrfCheck", /true or false/, getSession({ headers: {} }, response, value));
    }
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("user"), []);
  }
  const koa = koaApi.withSessions(sdk);
  for (const value of [undefined, null, 1, {}, { res: {} }]) {
    await refuses("res", /must be a response/, koa.getSession(value, true));
    await refuses("res", /must be a response/, koa.createNewSession(value, "user"));
  }
});
