// The forms that the documentation has shown: numbers of arguments, names of members; and payloads that nobody can change.
import assert from "node:assert/strict";
import { test } from "node:test";

import { OURS, open } from "./support/backends.mjs";
import { failsWith } from "./support/failures.mjs";

for (const [backend, { skip, start }] of Object.entries(OURS)) {
  test(backend, { skip }, async (t) => {
    const { sdk } = await start();

    await t.test("two arguments: what is there is compared, and no id refresh token is needed", async () => {
      const { accessToken, antiCsrfToken } = await sdk.createNewSession("two");
      assert.equal((await sdk.getSession(accessToken.token, antiCsrfToken)).session.userId, "two");
      assert.equal((await sdk.getSession(accessToken.token, undefined)).session.userId, "two");
      assert.equal((await sdk.getSession(accessToken.token)).session.userId, "two");
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(accessToken.token, "wrong"));
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(accessToken.token, ""));
    });

    await t.test("three arguments: it is said whether it is compared", async () => {
      const { accessToken, antiCsrfToken } = await sdk.createNewSession("three");
      await sdk.getSession(accessToken.token, antiCsrfToken, true);
      await sdk.getSession(accessToken.token, "wrong", false);
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(accessToken.token, "wrong", true));
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(accessToken.token, undefined, true));
    });

    await t.test("a token that passed unchecked is still checked later", async () => {
      const { accessToken, antiCsrfToken } = await sdk.createNewSession("order");
      await sdk.getSession(accessToken.token, undefined, false);
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(accessToken.token, "wrong", true));
      await sdk.getSession(accessToken.token, antiCsrfToken, true);
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(accessToken.token, "wrong", true));
    });

    await t.test("a token has one spelling", async () => {
      const { accessToken } = await sdk.createNewSession("spelling");
      for (const token of [`${accessToken.token}\0`, `${accessToken.token} `, accessToken.token.replace(/==$/, "=")]) {
        await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(token));
      }
    });

    await t.test("both names of everything", async () => {
      const made = await sdk.createNewSession("names", { a: 1 });
      const renewed = await sdk.refreshSession(made.refreshToken.token);
      const used = await sdk.getSession(renewed.accessToken.token, renewed.antiCsrfToken);
      for (const { session } of [made, renewed, used]) {
        assert.equal(session.jwtPayload, session.userDataInJWT);
        assert.deepEqual(session.jwtPayload, { a: 1 });
        assert.equal(session.sessionHandle, session.handle);
      }
      for (const token of [made.accessToken, made.refreshToken, made.idRefreshToken, renewed.accessToken, used.accessToken]) {
        assert.equal(token.value, token.token);
        assert.equal(token.path, token.cookiePath);
      }
    });

    await t.test("a payload cannot be changed, at any depth, and stays what it was", async () => {
      const given = { list: [{ n: 1 }], nested: { role: "user" } };
      const made = await sdk.createNewSession("frozen", given);
      given.nested.role = "changed later";
      const renewed = await sdk.refreshSession(made.refreshToken.token);
      const used = await sdk.getSession(renewed.accessToken.token, renewed.antiCsrfToken);
      const seen = await sdk.getSession(used.accessToken.token, renewed.antiCsrfToken);
      const known = await sdk.getSession(used.accessToken.token, renewed.antiCsrfToken);
      for (const { session } of [made, renewed, used, seen, known]) {
        assert.throws(() => (session.jwtPayload = {}), TypeError);
        assert.throws(() => (session.jwtPayload.role = "admin"), TypeError);
        assert.throws(() => (session.userDataInJWT.nested.role = "admin"), TypeError);
        assert.throws(() => session.jwtPayload.list.push(1), TypeError);
        assert.throws(() => delete session.jwtPayload.list[0].n, TypeError);
        assert.deepEqual(session.jwtPayload, { list: [{ n: 1 }], nested: { role: "user" } });
      }
    });

    await t.test("the four errors are errors, and say what they are", async () => {
      const { session, refreshToken } = await sdk.createNewSession("errors");
      await sdk.revokeSessionUsingSessionHandle(session.handle);
      const unauthorised = await failsWith("UNAUTHORISED", sdk.refreshSession(refreshToken.token));
      assert.ok(unauthorised instanceof Error);
      assert.equal(unauthorised.code, "UNAUTHORISED");
      assert.equal(unauthorised.message, unauthorised.err.message);
      assert.equal((await failsWith("TRY_REFRESH_TOKEN", sdk.getSession("x"))).code, "TRY_REFRESH_TOKEN");
      assert.equal((await failsWith("GENERAL_ERROR", sdk.getSession(1))).code, "INVALID_ARGUMENT");
    });
  });
}

test("what is not an error of this package is told from one", async () => {
  const { Error: AuthError } = await import("../session.mjs");
  for (const other of [undefined, null, 1, "text", {}, new Error("x"), { errType: 1000 }]) {
    assert.equal(AuthError.isErrorFromAuth(other), false);
  }
});

test("a session whose tokens were stolen ends, unless that is left to the application", async () => {
  for (const [onTheft, goesOn] of [[undefined, false], ["report", true]]) {
    const sdk = open({ database: "memory:", onTheft, graceWindow: 0 });
    const first = await sdk.createNewSession("theft");
    const second = await sdk.refreshSession(first.refreshToken.token);
    await sdk.getSession(second.accessToken.token);
    await failsWith("TOKEN_THEFT_DETECTED", sdk.refreshSession(first.refreshToken.token));
    assert.equal(await sdk.revokeSessionUsingSessionHandle(first.session.handle), goesOn);
  }
});
