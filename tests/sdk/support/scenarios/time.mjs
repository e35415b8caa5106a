// What time does to sessions. All releases wait together, so that the waits are not added up.
import assert from "node:assert/strict";

import { ok, refused } from "../application.mjs";
import { readToken } from "../access-token.mjs";
import { past } from "../wait.mjs";

/** How many of them sign in, verify and refresh at a time while keys change. */
const CLIENTS = 3;
/** What each of them does with the new key before that is enough. */
const ROUNDS_AFTER = 5;
/** Nothing else bounds how long a key that never comes would be waited for. */
const ROTATION_DEADLINE_MS = 60_000;

const accessToken = (browser) => readToken(browser.cookies.get("sAccessToken").value);

export default {
  "an access token that has ended asks for a refresh, which helps": {
    run: async ({ open, user }) => {
      const app = await open("short");
      const { browser, made } = await app.login(user);
      await past(accessToken(browser).expiry);
      await refused("TRY_REFRESH_TOKEN", browser.send("GET", "/page"));
      const before = accessToken(browser).expiry;
      assert.equal((await ok(browser.send("POST", "/session/refresh"))).handle, made.handle);
      assert.ok(accessToken(browser).expiry > before);
    },
  },
  "a session that has ended is gone": {
    run: async ({ open, user }) => {
      const app = await open("ending");
      const { browser } = await app.login(user);
      // A cookie tells its end in whole seconds, rounded down.
      await past(Date.parse(browser.cookies.get("sRefreshToken").expires) + 1000);
      assert.deepEqual(await app.sdk.list(user), []);
      await refused("TRY_REFRESH_TOKEN", browser.copy().send("GET", "/page"));
      await refused("UNAUTHORISED", browser.send("POST", "/session/refresh"));
    },
  },
  "signing keys change under load, and nothing is refused": {
    run: async ({ open, user, rotation }) => {
      const app = await open("rotation");
      const { before, change, keys } = rotation;
      // Tokens, and the keys that the SDK knows, are from before the change.
      const veterans = [];
      for (let number = 0; number < CLIENTS; number++) {
        const { browser } = await app.login(`${user}-veteran-${number}`);
        await ok(browser.send("GET", "/page"));
        assert.ok(accessToken(browser).signedBy(before));
        veterans.push(browser);
      }
      app.core.passTo(await change());
      const deadline = Date.now() + ROTATION_DEADLINE_MS;
      const work = async (veteran, number) => {
        let after = 0;
        while (after < ROUNDS_AFTER) {
          assert.ok(Date.now() < deadline, "no new key came");
          await ok(veteran.send("GET", "/page"));
          const { browser, made } = await app.login(`${user}-${number}`);
          assert.equal((await ok(browser.send("GET", "/page"))).handle, made.handle);
          const isNew = !accessToken(browser).signedBy(before);
          await ok(browser.send("POST", "/session/refresh"));
          assert.equal((await ok(browser.send("POST", "/guarded"))).handle, made.handle);
          if (isNew) after++;
        }
        // Their tokens are as good as ever.
        assert.ok(accessToken(veteran).signedBy(before));
        await ok(veteran.send("GET", "/page"));
        await ok(veteran.send("POST", "/session/refresh"));
        await ok(veteran.send("GET", "/page"));
        assert.ok(!accessToken(veteran).signedBy(before));
      };
      await Promise.all(veterans.map(work));
      assert.ok((await keys()).length > 1);
    },
  },
};
