// Newer releases of supertokens-node without a web framework: one table of scenarios, run by each release in turn, in the newest
// protocol that it speaks. The packages keep their state in globals, so a test file, which node runs in a process of its own,
// has one server.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { startServer } from "./server.mjs";

const require = createRequire(import.meta.url);

/** The releases, and the folder each is installed in. */
const RELEASES = {
  "24.0.3": "supertokens-node-24",
  "22.1.1": "supertokens-node-22",
  "20.1.7": "supertokens-node-20",
  "18.0.1": "supertokens-node-18",
  "16.7.6": "supertokens-node-16",
};

/** What each release is asked to do. */
const SCENARIOS = {
  "a session is created and verified without a call to the server": async ({ session, create, release }) => {
    const made = await create("created", { role: "editor" }, { visits: 1 });
    const seen = await check(session, made.getAllSessionTokensDangerously());
    assert.equal(seen.getUserId(), `created-${release}`);
    assert.equal(seen.getAccessTokenPayload().role, "editor");
    assert.deepEqual(await seen.getSessionDataFromDatabase(), { visits: 1 });
  },
  "data are overwritten": async ({ create }) => {
    const made = await create("data");
    await made.updateSessionDataInDatabase({ visits: 2, none: null });
    assert.deepEqual(await made.getSessionDataFromDatabase(), { visits: 2, none: null });
  },
  "a payload is merged, on the session and by its handle": async ({ session, create }) => {
    const made = await create("payload", { kept: 1 });
    await made.mergeIntoAccessTokenPayload({ added: 2 });
    const seen = await check(session, made.getAllSessionTokensDangerously());
    assert.deepEqual([seen.getAccessTokenPayload().kept, seen.getAccessTokenPayload().added], [1, 2]);
    assert.equal(await session.mergeIntoAccessTokenPayload(made.getHandle(), { added: null, other: 3 }), true);
    const { customClaimsInAccessTokenPayload } = await session.getSessionInformation(made.getHandle());
    assert.equal(customClaimsInAccessTokenPayload.other, 3);
  },
  "a refreshed session is verified twice; its old token is theft after that": async ({ session, create, release }) => {
    const made = (await create("refreshed")).getAllSessionTokensDangerously();
    const next = (await refresh(session, made)).getAllSessionTokensDangerously();
    assert.notEqual(next.refreshToken, made.refreshToken);
    const first = await check(session, next);
    const tokens = first.getAllSessionTokensDangerously();
    assert.equal(tokens.accessAndFrontTokenUpdated, true, "the first use brings a token without a mark");
    await check(session, { ...next, ...tokens });
    await assert.rejects(refresh(session, made), (error) => {
      assert.equal(error.type, session.Error.TOKEN_THEFT_DETECTED, error.stack);
      assert.equal(error.payload.userId, `refreshed-${release}`);
      return true;
    });
  },
  "an anti-CSRF token is compared": async ({ session, create }) => {
    const made = (await create("anti-csrf", {}, {}, false)).getAllSessionTokensDangerously();
    assert.ok(made.antiCsrfToken);
    await check(session, made, true);
    const wrong = check(session, { ...made, antiCsrfToken: "wrong" }, true);
    await assert.rejects(wrong, { type: session.Error.TRY_REFRESH_TOKEN });
  },
  "sessions are revoked: one, and all of a user": async ({ session, create, release }) => {
    const user = `revoked-${release}`;
    const [one, two, three] = [await create("revoked"), await create("revoked"), await create("revoked")];
    assert.equal((await session.getAllSessionHandlesForUser(user)).length, 3);
    assert.equal(await session.revokeSession(one.getHandle()), true);
    assert.equal(await session.revokeSession(one.getHandle()), false);
    const rest = await session.revokeAllSessionsForUser(user);
    assert.deepEqual([...rest].sort(), [two.getHandle(), three.getHandle()].sort());
    const tokens = two.getAllSessionTokensDangerously();
    await check(session, tokens);
    const asked = session.getSessionWithoutRequestResponse(tokens.accessToken, tokens.antiCsrfToken, {
      checkDatabase: true,
      antiCsrfCheck: false,
    });
    await assert.rejects(asked, { type: session.Error.UNAUTHORISED });
    await assert.rejects(refresh(session, tokens), { type: session.Error.UNAUTHORISED });
  },
  "a JWT is signed, and its keys are listed": async ({ session }) => {
    assert.equal((await session.createJWT({ a: 1 }, 60)).status, "OK");
    assert.ok((await session.getJWKS()).keys.length >= 2);
  },
};

function check(session, { accessToken, antiCsrfToken }, antiCsrfCheck = false) {
  return session.getSessionWithoutRequestResponse(accessToken, antiCsrfToken, { antiCsrfCheck });
}

function refresh(session, { refreshToken, antiCsrfToken }) {
  return session.refreshSessionWithoutRequestResponse(refreshToken, true, antiCsrfToken);
}

/** Runs the table against a server that signs by `algorithm`. */
export async function runScenarios(algorithm) {
  const apiKey = "a-key-of-twenty-characters";
  const server = await startServer({
    settings: { API_KEYS: apiKey, SIGNING_ALGORITHM: algorithm, REFRESH_TOKEN_ROTATION_GRACE_PERIOD: "0" },
  });
  after(() => server.stop());
  for (const [release, folder] of Object.entries(RELEASES)) {
    const supertokens = require(folder);
    const session = require(`${folder}/recipe/session`);
    supertokens.init({
      framework: "express",
      supertokens: { connectionURI: server.url, apiKey },
      appInfo: { appName: "tests", apiDomain: "http://localhost:3000", websiteDomain: "http://localhost:3001" },
      recipeList: [session.init({ antiCsrf: "VIA_TOKEN" })],
    });
    const create = async (user, payload = {}, data = {}, disableAntiCsrf = true) => {
      const id = new supertokens.RecipeUserId(`${user}-${release}`);
      const made = await session.createNewSessionWithoutRequestResponse("public", id, payload, data, disableAntiCsrf);
      const [header] = made.getAccessToken().split(".");
      assert.equal(JSON.parse(Buffer.from(header, "base64url")).alg, algorithm);
      return made;
    };
    test(`supertokens-node ${release}, tokens signed by ${algorithm}`, async (t) => {
      let passed = 0;
      for (const [name, scenario] of Object.entries(SCENARIOS)) {
        await t.test(name, async () => {
          await scenario({ session, create, release });
          passed++;
        });
      }
      t.diagnostic(`supertokens-node ${release} without Express, ${algorithm}: ${passed} of ${Object.keys(SCENARIOS).length}`);
    });
  }
}
