// Responses that were begun, and the session of a request.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, test } from "node:test";

import * as expressApi from "../index.mjs";
import * as fastifyApi from "../fastify.mjs";
import * as koaApi from "../koa.mjs";
import { open } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";
import { listen } from "./support/listen.mjs";

const require = createRequire(import.meta.url);

test("the functions of a session can be handed on alone", async () => {
  const sdk = open({ database: "memory:" });
  const { createNewSession } = expressApi.withSessions(sdk);
  const session = await createNewSession({ getHeader() {}, setHeader() {} }, "alone", { a: 1 }, { n: 0 });
  const { getUserId, getJWTPayload, getHandle, getSessionData, updateSessionData, readSessionData, writeSessionData, revokeSession } = session;
  assert.deepEqual([getUserId(), getJWTPayload()], ["alone", { a: 1 }]);
  assert.deepEqual(await getSessionData(), { n: 0 });
  await updateSessionData({ n: 1 });
  assert.deepEqual(await writeSessionData({ n: 2 }, { expectedVersion: (await readSessionData()).version }), { written: true, version: 3 });
  await revokeSession();
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("alone"), []);
  await failsWith("UNAUTHORISED", sdk.getSessionData(getHandle()));
});

/** Responses that were begun, each as its framework shows it. */
const BEGUN = {
  express: [expressApi, { getHeader() {}, setHeader() {}, headersSent: true }],
  fastify: [fastifyApi, { getHeader() {}, header() {}, removeHeader() {}, raw: { headersSent: true } }],
  "fastify, sent": [fastifyApi, { getHeader() {}, header() {}, removeHeader() {}, sent: true }],
  koa: [koaApi, { req: { headers: {} }, res: { getHeader() {}, setHeader() {}, headersSent: true } }],
};

for (const [framework, [api, response]] of Object.entries(BEGUN)) {
  test(`a response that was begun is refused before anything is done: ${framework}`, async () => {
    const sdk = open({ database: "memory:", accessTokenBlacklisting: true });
    const { createNewSession, getSession, refreshSession, setRelevantHeadersForOptionsAPI } = api.withSessions(sdk);
    const made = await sdk.createNewSession("begun");
    const cookies = { sAccessToken: made.accessToken.token, sRefreshToken: made.refreshToken.token, sIdRefreshToken: "x" };
    const headers = { cookie: Object.entries(cookies).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("; ") };
    const args = api === koaApi ? [{ ...response, req: { headers } }] : [{ headers }, response];
    for (const call of [
      () => createNewSession(response, "begun"),
      () => getSession(...args, false),
      () => refreshSession(...args),
      async () => setRelevantHeadersForOptionsAPI(response),
    ]) {
      const { code, outcomeUnknown } = await failsWith("GENERAL_ERROR", call());
      assert.deepEqual([code, outcomeUnknown], ["RESPONSE_BEGUN", false]);
    }
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("begun"), [made.session.handle]);
    // The refresh token has not been used either.
    assert.equal((await sdk.getSession(made.accessToken.token)).accessToken, undefined);
  });
}

test("a response that is begun meanwhile: what was done is told, and what has ended stays so", async () => {
  const sdk = open({ database: "memory:" });
  const { createNewSession } = expressApi.withSessions(sdk);
  const begins = { getHeader() {}, setHeader: () => assert.fail("a header is set"), headersSent: false };
  const creation = createNewSession(begins, "meanwhile");
  begins.headersSent = true;
  const { code, outcomeUnknown } = await failsWith("GENERAL_ERROR", creation);
  assert.deepEqual([code, outcomeUnknown], ["RESPONSE_BEGUN", true]);
  assert.equal((await sdk.getAllSessionHandlesForUser("meanwhile")).length, 1);

  const response = { getHeader() {}, setHeader() {}, headersSent: false };
  const session = await createNewSession(response, "ended");
  Object.assign(response, { headersSent: true, setHeader: begins.setHeader });
  // Data need no headers.
  await session.updateSessionData({ n: 1 });
  assert.equal((await failsWith("GENERAL_ERROR", session.revokeSession())).code, "RESPONSE_BEGUN");
  assert.deepEqual(await session.getSessionData(), { n: 1 });
  await sdk.revokeAllSessionsForUser("ended");
  await failsWith("UNAUTHORISED", session.getSessionData());
});

test("a response that really was begun, in Node.js", async () => {
  const sdk = open({ database: "memory:" });
  const { createNewSession } = expressApi.withSessions(sdk);
  const url = await listen(
    createServer(async (req, res) => {
      res.write("begun");
      await createNewSession(res, "real").catch(({ code }) => res.end(` ${code}`));
    }),
  );
  assert.equal(await (await fetch(url)).text(), "begun RESPONSE_BEGUN");
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("real"), []);
});

test("a response that really was begun, in Fastify", async () => {
  const sdk = open({ database: "memory:" });
  const { createNewSession } = fastifyApi.withSessions(sdk);
  const app = require("fastify")();
  app.get("/", async (request, reply) => {
    reply.hijack();
    reply.raw.write("begun");
    await createNewSession(reply, "real").catch(({ code }) => reply.raw.end(` ${code}`));
  });
  after(() => app.close());
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  assert.equal(await (await fetch(url)).text(), "begun RESPONSE_BEGUN");
  assert.deepEqual(await sdk.getAllSessionHandlesForUser("real"), []);
});
