// Two servers on one SQLite file, which the SDK asks in turn: whichever answers, it is one system.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";

import { send } from "./support/http.mjs";
import { check, failsWith, holding, sdk } from "./support/sdk.mjs";
import { startServer, temporaryFolder } from "./support/server.mjs";

const database = `sqlite:${path.join(temporaryFolder(), "shared.db")}`;
let servers = [];

before(async () => {
  // Both find an empty folder, and have to agree on who makes the tables and the keys.
  servers = await Promise.all([startServer({ database }), startServer({ database })]);
  sdk.init(servers);
});

after(() => Promise.all(servers.map((server) => server.stop())));

test("both have the same signing key", async () => {
  const handshakes = await Promise.all(servers.map((server) => send(server, "POST", "/handshake", { json: {} })));
  const [first, second] = handshakes.map(({ text }) => JSON.parse(text).jwtSigningPublicKey);
  assert.notEqual(first, undefined);
  assert.equal(first, second);
});

test("a session goes from one to the other", async () => {
  let tokens = await sdk.createNewSession("roaming", { n: null }, { turn: -1 });
  const { session } = tokens;
  // The number of calls in a turn is odd, so each kind of call meets both servers.
  for (let turn = 0; turn < 4; turn++) {
    tokens = holding(tokens, await sdk.refreshSession(tokens.refreshToken.token));
    const checked = await check(tokens);
    assert.deepEqual(checked.session, session);
    tokens = holding(tokens, checked);
    await sdk.updateSessionData(session.handle, { turn });
    assert.deepEqual(await sdk.getSessionData(session.handle), { turn });
    assert.deepEqual(await sdk.getAllSessionHandlesForUser("roaming"), [session.handle]);
  }
  await sdk.revokeSessionUsingSessionHandle(session.handle);
  for (const _ of servers) {
    await failsWith("UNAUTHORISED", sdk.refreshSession(tokens.refreshToken.token));
    await failsWith("UNAUTHORISED", sdk.getSessionData(session.handle));
    await failsWith("UNAUTHORISED", sdk.updateSessionData(session.handle, {}));
  }
});

test("twenty refreshes at both servers at once make one successor", async () => {
  for (let turn = 0; turn < 5; turn++) {
    const { refreshToken } = await sdk.createNewSession("raced");
    const answers = await Promise.all(Array.from({ length: 20 }, () => sdk.refreshSession(refreshToken.token)));
    assert.equal(new Set(answers.map((answer) => answer.refreshToken.token)).size, 1);
    await Promise.all(answers.map((answer) => check(answer)));
  }
});

test("theft is noticed across servers", async () => {
  const first = await sdk.createNewSession("shared-thief");
  const second = await sdk.refreshSession(first.refreshToken.token);
  await check(second);
  await check(await sdk.refreshSession(second.refreshToken.token));
  for (const _ of servers) {
    const error = await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
    assert.deepEqual(error, { sessionHandle: first.session.handle, userId: "shared-thief" });
  }
});
