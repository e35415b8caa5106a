// What a session holds: data, a payload, claims in it; and other JWTs.
import assert from "node:assert/strict";

import { DATA, lastParts, ok, refused, withJson } from "../application.mjs";
import { readToken } from "../access-token.mjs";

export default {
  "session data are read and overwritten": {
    run: async ({ app, user }) => {
      const { browser } = await app.login(user);
      assert.deepEqual(await ok(browser.send("GET", "/data")), DATA);
      const data = { cart: [1, { none: null }], "né": "世界" };
      await ok(browser.send("POST", withJson("/data", data)));
      assert.deepEqual(await ok(browser.send("GET", "/data")), data);
    },
  },
  "an access token is regenerated with another payload, which is stored as well": {
    needs: "payload changes",
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      // The first may fetch the keys.
      await ok(browser.send("GET", "/page"));
      const before = browser.cookies.get("sAccessToken").value;
      const change = withJson("/payload", { role: "admin", level: 2 });
      const changed = await app.core.during(() => ok(browser.send("POST", change)));
      assert.deepEqual(lastParts(changed.requests), ["regenerate"]);
      assert.notEqual(browser.cookies.get("sAccessToken").value, before);
      const { result, requests } = await app.core.during(() => ok(browser.send("GET", "/page")));
      assert.deepEqual(requests, []);
      const stored = await app.sdk.payloadByHandle(made.handle);
      const renewed = await ok(browser.send("POST", "/session/refresh"));
      for (const { role, level } of [result.payload, stored, renewed.payload]) {
        assert.deepEqual([role, level], ["admin", 2]);
      }
    },
  },
  "a payload is merged into: members are added, replaced and, by null, taken out": {
    needs: "payload merges",
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      const changed = await ok(browser.send("POST", withJson("/payload", { level: null, added: { deep: [null] } })));
      const seen = await ok(browser.send("GET", "/page"));
      for (const { payload } of [changed, seen]) {
        assert.deepEqual([payload.role, payload.added], ["editor", { deep: [null] }]);
        assert.ok(!("level" in payload));
      }
      // By the handle: what is stored changes at once, the token with the next refresh.
      assert.equal(await app.sdk.mergeByHandle(made.handle, { role: "owner" }), true);
      assert.equal((await app.sdk.payloadByHandle(made.handle)).role, "owner");
      assert.equal((await ok(browser.send("GET", "/page"))).payload.role, "editor");
      const { payload } = await ok(browser.send("POST", "/session/refresh"));
      assert.deepEqual([payload.role, payload.added, "level" in payload], ["owner", { deep: [null] }, false]);
    },
  },
  "a claim is asked for, fetched, and found wanting when its value is another": {
    needs: "claims",
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      // What is not there is fetched, and is not what is asked for.
      const wrong = await refused("INVALID_CLAIMS", browser.send("GET", "/page?claim=free"));
      assert.deepEqual(wrong.claims, ["plan"]);
      await ok(browser.send("GET", "/page?claim=paid"));
      assert.equal(await app.sdk.claimByHandle(made.handle), "paid");
      assert.equal(await app.sdk.setClaimByHandle(made.handle, "free"), true);
      await ok(browser.send("POST", "/session/refresh"));
      await ok(browser.send("GET", "/page?claim=free"));
      const fetched = await app.core.during(() => ok(browser.send("POST", "/claim")));
      assert.ok(lastParts(fetched.requests).includes("regenerate"));
      await ok(browser.send("GET", "/page?claim=paid"));
    },
  },
  "a JWT is signed, and verified with the keys that are listed": {
    needs: "JWTs and their keys",
    run: async ({ app, user }) => {
      const { browser } = await app.login(user);
      const jwt = readToken(await app.sdk.jwt({ a: 1 }));
      assert.equal(jwt.payload.a, 1);
      const access = readToken(browser.cookies.get("sAccessToken").value);
      const keys = await app.sdk.keys();
      // Access tokens name their key since they are standard JWTs.
      for (const token of [jwt, ...(access.header.kid ? [access] : [])]) {
        const key = keys.find(({ kid }) => kid === token.header.kid);
        assert.ok(key, `the key ${token.header.kid} is listed`);
        assert.equal(key.alg, token.header.alg);
        assert.equal(token.signedBy(key), true);
      }
    },
  },
};
