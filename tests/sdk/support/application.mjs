// An application on one release of supertokens-node, behind Express, with a proxy between it and the server.
import assert from "node:assert/strict";
import { once } from "node:events";

import { Browser } from "./browser.mjs";
import { startProxy } from "./proxy.mjs";
import { setUp } from "./releases.mjs";
import { express } from "./sdk.mjs";

/** What a new session holds. */
export const PAYLOAD = { role: "editor", level: 1 };
export const DATA = { visits: 1 };

/** Starts an application on `release` against `server`; `options` are for the SDK. */
export async function startApp(release, server, options = {}) {
  const core = await startProxy(server);
  const sdk = setUp(release, { core, ...options });
  const listener = routes(sdk).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const url = `http://127.0.0.1:${listener.address().port}`;
  return {
    sdk,
    core,
    url,
    /** Signs in with a browser of its own, which can be another than the usual; answers it and the session. */
    async login(user, { browser = new Browser(url), tenant } = {}) {
      const of = tenant === undefined ? "" : `&tenant=${tenant}`;
      return { browser, made: await ok(browser.send("POST", `/login?user=${user}${of}`)) };
    },
    async close() {
      listener.close();
      listener.closeAllConnections();
      await once(listener, "close");
      await core.close();
    },
  };
}

function routes(sdk) {
  const app = express();
  app.use(express.json());
  const route = (method, path, handler) =>
    app[method](path, (req, res, next) => handler(req, res).then((answer) => res.json(answer), next));
  const about = (session) => ({
    user: sdk.user(session),
    handle: sdk.handle(session),
    payload: sdk.payload(session),
    ...(sdk.tenant && { tenant: sdk.tenant(session) }),
  });
  const withSession = (method, path, antiCsrf, handler) =>
    route(method, path, async (req, res) =>
      handler(await sdk.check(req, res, { antiCsrf, claim: req.query.claim }), req),
    );

  route("post", "/login", async (req, res) =>
    about(await sdk.create(req, res, req.query.user, PAYLOAD, DATA, req.query.tenant)),
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
  withSession("post", "/claim", true, async (session) => {
    await sdk.fetchClaim(session);
    return about(session);
  });
  app.use((error, req, res, next) => {
    const known = sdk.describe(error);
    if (known === undefined) return next(error);
    const { type, payload } = known;
    const claims = Array.isArray(payload) ? payload.map(({ id }) => id) : undefined;
    res.status(440).json({ error: type, user: payload.userId, handle: payload.sessionHandle, claims });
  });
  return app;
}

/** What the application answers; a failure shows all of it. */
export async function ok(answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 200, text);
  return json();
}

export async function refused(type, answer) {
  const { status, text, json } = await answer;
  assert.equal(status, 440, text);
  assert.equal(json().error, type, text);
  return json();
}

export const withJson = (path, value) => `${path}?json=${encodeURIComponent(JSON.stringify(value))}`;

/** The last parts of what was asked for. */
export const lastParts = (requests) => requests.map((request) => request.split("/").at(-1));
