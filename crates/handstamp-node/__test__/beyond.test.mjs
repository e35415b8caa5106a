// What the API of 1.0 did not have: versions of session data, and channels to listen to.
import assert from "node:assert/strict";
import { tracingChannel } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";

import { withSessions } from "../index.mjs";
import { Sessions } from "../session.mjs";
import { OURS, open } from "./support/backends.mjs";
import { DATABASES } from "./support/databases.mjs";
import { failsWith, refuses } from "./support/failures.mjs";

test("data are written only if nobody else has since they were read", async () => {
  const sdk = open({ database: "memory:" });
  const { session } = await sdk.createNewSession("versions", {}, { n: 0 });
  const read = await sdk.readSessionData(session.handle);
  assert.deepEqual([read.data, read.version], [{ n: 0 }, 1]);
  assert.deepEqual(await sdk.writeSessionData(session.handle, { n: 1 }, { expectedVersion: 1 }), { written: true, version: 2 });
  assert.deepEqual(await sdk.writeSessionData(session.handle, { n: 9 }, { expectedVersion: 1 }), { written: false });
  assert.deepEqual(await sdk.getSessionData(session.handle), { n: 1 });
  assert.deepEqual(await sdk.writeSessionData(session.handle, { n: 2 }), { written: true, version: 3 });
  await sdk.updateSessionData(session.handle, {});
  assert.equal((await sdk.readSessionData(session.handle)).version, 4);
  for (const expectedVersion of [0, -1, 1.5, "1", null, 1n]) {
    await refuses("expectedVersion", /must be a version/, sdk.writeSessionData(session.handle, {}, { expectedVersion }));
  }
  for (const options of [null, 1, "1", [], 1n, () => {}]) {
    await refuses("options", /must be an object/, sdk.writeSessionData(session.handle, {}, options));
  }
  for (const handle of [undefined, null, 1, 1n, {}, () => {}]) {
    await refuses("sessionHandle", /must be a string/, sdk.readSessionData(handle));
    await refuses("sessionHandle", /must be a string/, sdk.writeSessionData(handle, {}));
  }
  for (const data of [undefined, null, 1, "x", [], 1n, { n: 1n }]) {
    await refuses("newSessionData", /must be/, sdk.writeSessionData(session.handle, data));
  }
  assert.equal((await sdk.readSessionData(session.handle)).version, 4);
  await sdk.revokeSessionUsingSessionHandle(session.handle);
  await failsWith("UNAUTHORISED", sdk.readSessionData(session.handle));
  await failsWith("UNAUTHORISED", sdk.writeSessionData(session.handle, {}));
});

test("of many who add one at the same time with what they read, nobody's is lost", async () => {
  const sdk = open({ database: "memory:" });
  const { session } = await sdk.createNewSession("race", {}, { n: 0 });
  const add = async () => {
    for (;;) {
      const { data, version } = await sdk.readSessionData(session.handle);
      const { written } = await sdk.writeSessionData(session.handle, { n: data.n + 1 }, { expectedVersion: version });
      if (written) return;
    }
  };
  await Promise.all(Array.from({ length: 20 }, add));
  assert.deepEqual(await sdk.getSessionData(session.handle), { n: 20 });
});

for (const [backend, { skip, start }] of Object.entries(OURS)) {
  test(`listeners hear what ran on ${backend}, and no secrets`, { skip }, async () => {
    const { sdk } = await start();
    const heard = [];
    const channels = ["createNewSession", "getSession", "refreshSession"].map((name) => tracingChannel(`handstamp.${name}`));
    const listener = Object.fromEntries(
      ["start", "end", "asyncStart", "asyncEnd", "error"].map((event) => [event, (message) => heard.push([event, message])]),
    );
    for (const channel of channels) channel.subscribe(listener);
    try {
      const made = await sdk.createNewSession("canary", { canary: 1 });
      assert.equal((await sdk.getSession(made.accessToken.token)).session.userId, "canary");
      await failsWith("UNAUTHORISED", sdk.refreshSession("canary"));
      const events = (operation) => heard.filter(([, message]) => message.operation === operation).map(([event]) => event);
      assert.deepEqual(events("createNewSession"), ["start", "end", "asyncStart", "asyncEnd"]);
      assert.deepEqual(events("getSession"), ["start", "end", "asyncStart", "asyncEnd"]);
      assert.ok(events("refreshSession").includes("error"));
      const shown = JSON.stringify(heard);
      for (const secret of ["canary", made.accessToken.token, made.refreshToken.token]) assert.ok(!shown.includes(secret));
    } finally {
      for (const channel of channels) channel.unsubscribe(listener);
    }
  });
}

const OPERATIONS = ["createNewSession", "getSession", "refreshSession", "revokeSessionUsingSessionHandle", "getSessionData", "updateSessionData"];

for (const [backend, { skip, start }] of Object.entries(OURS)) {
  test(`of a theft on ${backend}, listeners hear whose session it was, and no token`, { skip }, async () => {
    const { sdk } = await start();
    const heard = [];
    const hear = (message) => heard.push(message);
    const listener = Object.fromEntries(["start", "end", "asyncStart", "asyncEnd", "error"].map((event) => [event, hear]));
    const channels = OPERATIONS.map((name) => tracingChannel(`handstamp.${name}`));
    for (const channel of channels) channel.subscribe(listener);
    try {
      const first = await sdk.createNewSession("victim", { canary: 1 }, { canary: 2 });
      const second = await sdk.refreshSession(first.refreshToken.token);
      const used = await sdk.getSession(second.accessToken.token, second.antiCsrfToken);
      const third = await sdk.refreshSession(second.refreshToken.token);
      await sdk.getSession(third.accessToken.token, third.antiCsrfToken);
      await sdk.updateSessionData(first.session.handle, { canary: 3 });
      await sdk.getSessionData(first.session.handle);
      await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
      await failsWith("UNAUTHORISED", sdk.getSessionData(first.session.handle));
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(`${used.accessToken.token}x`));
      await sdk.revokeSessionUsingSessionHandle(first.session.handle);
      const { error } = heard.find((message) => message.error?.code === "TOKEN_THEFT_DETECTED");
      assert.deepEqual(error.err, { sessionHandle: first.session.handle, userId: "victim" });
      assert.deepEqual(new Set(heard.map(({ operation }) => operation)), new Set(OPERATIONS));
      // All that can be got at, the stacks too.
      const shown = inspect(heard, { depth: Infinity, showHidden: true, maxStringLength: Infinity });
      assert.ok(shown.includes("victim"));
      const tokens = [first, second, third, used].flatMap(({ accessToken, refreshToken, idRefreshToken, antiCsrfToken }) => [
        accessToken.token,
        ...[refreshToken?.token, idRefreshToken?.token, antiCsrfToken].filter((token) => token !== undefined),
      ]);
      for (const secret of ["canary", ...tokens]) assert.ok(!shown.includes(secret));
    } finally {
      for (const channel of channels) channel.unsubscribe(listener);
    }
  });
}

/** The way to a database: its address, and how to cut it. */
async function wayTo(database) {
  const address = new URL(database);
  const { hostname, port } = address;
  const ends = new Set();
  const way = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [end, other] of [[near, far], [far, near]]) {
      ends.add(end);
      end.on("error", () => {}).on("close", () => other.destroy());
      end.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(way, "listening");
  Object.assign(address, { hostname: "127.0.0.1", port: way.address().port });
  const cut = () => {
    way.close();
    for (const end of ends) end.destroy();
  };
  return { address: address.href, cut };
}

test("what the engine fails at while nobody asks is heard", { skip: DATABASES.PostgreSQL.skip }, async () => {
  const { address, cut } = await wayTo(await DATABASES.PostgreSQL.make());
  const channel = tracingChannel("handstamp.tendKeys");
  const listener = {};
  const heard = new Promise((resolve) => (listener.error = resolve));
  channel.subscribe(listener);
  // What nobody asks for keeps no process alive.
  const awake = setInterval(() => {}, 1000);
  try {
    await open({ database: address }).ready();
    cut();
    const { operation, backend, error } = await heard;
    assert.deepEqual([operation, backend, error.code, error.errType], ["tendKeys", "engine", "UNAVAILABLE", 1000]);
    assert.ok(!`${error.stack} ${error.err.stack}`.includes(new URL(address).username + "@"));
  } finally {
    clearInterval(awake);
    channel.unsubscribe(listener);
    cut();
  }
});

test("listeners hear of what fails around a function as well, and of nothing twice", async () => {
  const gone = new Sessions({ hosts: [{ hostname: "127.0.0.1", port: 1 }] });
  const web = withSessions(gone);
  const response = () => ({ headersSent: false, getHeader: () => undefined, setHeader: () => {} });
  const heard = [];
  const listeners = ["createNewSession", "getSession", "refreshSession"].map((operation) => {
    const channel = tracingChannel(`handstamp.${operation}`);
    const listener = { error: ({ error, backend }) => heard.push(`${operation} ${error.code} ${backend}`) };
    channel.subscribe(listener);
    return () => channel.unsubscribe(listener);
  });
  try {
    const cookie = (name) => ({ headers: { cookie: `${name}=x` } });
    await assert.rejects(web.createNewSession(response(), "user"));
    await assert.rejects(web.getSession({ headers: {} }, response(), true));
    await assert.rejects(web.getSession(cookie("sAccessToken"), response(), true));
    await assert.rejects(web.refreshSession(cookie("sRefreshToken"), response()));
    await assert.rejects(gone.createNewSession(7));
    await assert.rejects(gone.getSession("x", undefined, true, undefined));
    await gone.close();
    await assert.rejects(gone.refreshSession("x"));
    await assert.rejects(web.createNewSession({}, "user"));
  } finally {
    for (const stop of listeners) stop();
  }
  assert.deepEqual(heard, [
    "createNewSession UNAVAILABLE server",
    "getSession TRY_REFRESH_TOKEN server",
    "getSession UNAVAILABLE server",
    "refreshSession UNAVAILABLE server",
    "createNewSession INVALID_ARGUMENT server",
    "getSession UNAUTHORISED server",
    "refreshSession CLOSED server",
    "createNewSession INVALID_ARGUMENT server",
  ]);
});
