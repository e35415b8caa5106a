// Tokens of a session: made, verified, refreshed, found stolen.
import assert from "node:assert/strict";

import { PAYLOAD, lastParts, ok, refused } from "../application.mjs";

export default {
  "a session is created with its payload": {
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      assert.equal(made.user, user);
      assert.deepEqual([made.payload.role, made.payload.level], [PAYLOAD.role, PAYLOAD.level]);
      assert.ok(browser.cookies.has("sAccessToken") && browser.cookies.has("sRefreshToken"));
    },
  },
  "it is verified without a request to the server": {
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      // The first may fetch the keys.
      await ok(browser.send("GET", "/page"));
      const { result, requests } = await app.core.during(() => ok(browser.send("GET", "/page")));
      assert.deepEqual(requests, []);
      assert.deepEqual([result.user, result.handle, result.payload.role], [made.user, made.handle, "editor"]);
    },
  },
  "it is verified with a request to the server, which notices a revocation": {
    run: async ({ open, user }) => {
      const app = await open("asking", { checkDatabase: true });
      const { browser, made } = await app.login(user);
      await ok(browser.send("GET", "/page"));
      const { result, requests } = await app.core.during(() => ok(browser.send("GET", "/page")));
      assert.deepEqual(lastParts(requests), ["verify"]);
      assert.deepEqual([result.user, result.handle, result.payload.role], [made.user, made.handle, "editor"]);
      assert.equal(await app.sdk.revoke(made.handle), true);
      await refused("UNAUTHORISED", browser.send("GET", "/page"));
    },
  },
  "a refresh brings other tokens of the same session": {
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      const before = browser.copy();
      const { result, requests } = await app.core.during(() => ok(browser.send("POST", "/session/refresh")));
      assert.deepEqual(lastParts(requests), ["refresh"]);
      assert.deepEqual([result.user, result.handle, result.payload.role], [made.user, made.handle, "editor"]);
      for (const name of ["sAccessToken", "sRefreshToken"]) {
        assert.notEqual(browser.cookies.get(name).value, before.cookies.get(name).value, name);
      }
    },
  },
  "the first use after a refresh asks the server, the second does not": {
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      await ok(browser.send("GET", "/page"));
      await ok(browser.send("POST", "/session/refresh"));
      const refreshed = browser.cookies.get("sAccessToken").value;
      const first = await app.core.during(() => ok(browser.send("GET", "/page")));
      assert.deepEqual(lastParts(first.requests), ["verify"]);
      assert.notEqual(browser.cookies.get("sAccessToken").value, refreshed, "it brings a token without a mark");
      const second = await app.core.during(() => ok(browser.send("GET", "/page")));
      assert.deepEqual(second.requests, []);
      assert.equal(second.result.handle, made.handle);
    },
  },
  "an old refresh token is theft, told with its session and user": {
    run: async ({ app, user }) => {
      const { browser, made } = await app.login(user);
      const thief = browser.copy();
      await ok(browser.send("POST", "/session/refresh"));
      await ok(browser.send("GET", "/page"));
      const caught = await refused("TOKEN_THEFT_DETECTED", thief.send("POST", "/session/refresh"));
      assert.deepEqual([caught.user, caught.handle], [made.user, made.handle]);
    },
  },
};
