// What guards a session against forged requests, and how its tokens travel.
import assert from "node:assert/strict";

import { Browser } from "../browser.mjs";
import { lastParts, ok, refused } from "../application.mjs";

export default {
  "an anti-CSRF token is needed where it is asked for": {
    run: async ({ app, user }) => {
      const { browser } = await app.login(user);
      await ok(browser.send("POST", "/guarded"));
      const forged = browser.send("POST", "/guarded", { headers: { "anti-csrf": "guess" } });
      await refused("TRY_REFRESH_TOKEN", forged);
      const stranger = browser.copy();
      stranger.antiCsrf = undefined;
      await refused("TRY_REFRESH_TOKEN", stranger.send("POST", "/guarded"));
      await ok(stranger.send("GET", "/page"));
    },
  },
  "a custom header is needed instead where that is set": {
    needs: "custom header against CSRF",
    run: async ({ open, user }) => {
      const app = await open("plain", { antiCsrf: "VIA_CUSTOM_HEADER" });
      const { browser } = await app.login(user);
      assert.equal(browser.antiCsrf, undefined);
      const headers = { rid: "session" };
      await refused("TRY_REFRESH_TOKEN", browser.send("POST", "/guarded"));
      await ok(browser.send("POST", "/guarded", { headers }));
      await ok(browser.send("POST", "/session/refresh", { headers }));
      await ok(browser.send("POST", "/guarded", { headers }));
      await ok(browser.send("GET", "/page"));
      assert.equal(browser.antiCsrf, undefined);
    },
  },
  "without a guard there is no anti-CSRF token, and none is needed": {
    run: async ({ open, user }) => {
      const app = await open("unguarded", { antiCsrf: "NONE" });
      const { browser, made } = await app.login(user);
      await ok(browser.send("POST", "/guarded"));
      await ok(browser.send("POST", "/session/refresh"));
      assert.equal((await ok(browser.send("POST", "/guarded"))).handle, made.handle);
      assert.equal(browser.antiCsrf, undefined);
    },
  },
  "tokens travel in cookies or in headers, as the client asks, and are as good in either": {
    needs: "header transfer",
    run: async ({ open, user }) => {
      const app = await open("plain", { transfer: "any" });
      const travelling = (transfer) => app.login(user, { browser: new Browser(app.url, { transfer }) });
      const cookies = await travelling("cookie");
      assert.ok(cookies.browser.cookies.has("sAccessToken") && cookies.browser.cookies.has("sRefreshToken"));
      assert.equal(cookies.browser.tokens.size, 0);

      const headers = await travelling("header");
      assert.deepEqual([...headers.browser.tokens.keys()].sort(), ["st-access-token", "st-refresh-token"]);
      for (const name of ["sAccessToken", "sRefreshToken"]) assert.ok(!headers.browser.cookies.has(name), name);

      for (const { browser, made } of [cookies, headers]) {
        const thief = browser.copy();
        assert.equal((await ok(browser.send("GET", "/page"))).handle, made.handle);
        await ok(browser.send("POST", "/session/refresh"));
        const used = await app.core.during(() => ok(browser.send("GET", "/page")));
        assert.deepEqual(lastParts(used.requests), ["verify"]);
        const again = await app.core.during(() => ok(browser.send("POST", "/guarded")));
        assert.deepEqual(again.requests, []);
        assert.equal(again.result.handle, made.handle);
        const caught = await refused("TOKEN_THEFT_DETECTED", thief.send("POST", "/session/refresh"));
        assert.equal(caught.handle, made.handle);
      }
    },
  },
};
