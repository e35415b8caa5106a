// Sessions of a user, and of tenants: listed and revoked.
import assert from "node:assert/strict";

import { ok, refused } from "../application.mjs";

const handles = (sessions) => sessions.map(({ made }) => made.handle).sort();
const sorted = (list) => [...list].sort();

/** Expects that a call revoked `sessions`. The first release tells only how many. */
function assertRevoked(told, sessions) {
  if (typeof told === "number") assert.equal(told, sessions.length);
  else assert.deepEqual(sorted(told), handles(sessions));
}

export default {
  "sessions of a user are listed": {
    run: async ({ app, user }) => {
      assert.deepEqual(await app.sdk.list(user), []);
      const made = [await app.login(user), await app.login(user)];
      assert.deepEqual(sorted(await app.sdk.list(user)), handles(made));
    },
  },
  "one session is revoked": {
    run: async ({ app, user }) => {
      const [one, other] = [await app.login(user), await app.login(user)];
      assert.equal(await app.sdk.revoke(one.made.handle), true);
      assert.equal(await app.sdk.revoke(one.made.handle), false);
      assert.deepEqual(await app.sdk.list(user), [other.made.handle]);
      await refused("UNAUTHORISED", one.browser.send("POST", "/session/refresh"));
      await ok(other.browser.send("POST", "/session/refresh"));
    },
  },
  "all sessions of a user are revoked": {
    run: async ({ app, user }) => {
      const made = [await app.login(user), await app.login(user)];
      const other = await app.login(`${user}-other`);
      assertRevoked(await app.sdk.revokeAll(user), made);
      assert.deepEqual(await app.sdk.list(user), []);
      for (const { browser } of made) await refused("UNAUTHORISED", browser.send("POST", "/session/refresh"));
      await ok(other.browser.send("POST", "/session/refresh"));
    },
  },
  "sessions of a user in two tenants are listed apart and together, and revoked together": {
    needs: "tenants",
    run: async ({ app, user, release }) => {
      const { tenant, here, there } = await inTwoTenants(app, user, `both-${release}`);
      assert.deepEqual([here[0].made.tenant, there.made.tenant], ["public", tenant]);
      for (const [method, path] of [["GET", "/page"], ["POST", "/session/refresh"], ["GET", "/page"]]) {
        assert.equal((await ok(there.browser.send(method, path))).tenant, tenant);
      }
      assert.deepEqual(sorted(await app.sdk.list(user)), handles([...here, there]));
      assert.deepEqual(sorted(await app.sdk.list(user, "public")), handles(here));
      assert.deepEqual(await app.sdk.list(user, tenant), handles([there]));
      assertRevoked(await app.sdk.revokeAll(user), [...here, there]);
      assert.deepEqual(await app.sdk.list(user), []);
    },
  },
  "sessions of a user are revoked in one tenant, and live on in the other": {
    needs: "revocation in one tenant",
    run: async ({ app, user, release }) => {
      const { tenant, here, there } = await inTwoTenants(app, user, `apart-${release}`);
      assertRevoked(await app.sdk.revokeAll(user, tenant), [there]);
      await refused("UNAUTHORISED", there.browser.send("POST", "/session/refresh"));
      assert.deepEqual(sorted(await app.sdk.list(user)), handles(here));
      const back = await app.login(user, { tenant });
      assertRevoked(await app.sdk.revokeAll(user, "public"), here);
      assert.deepEqual(await app.sdk.list(user), handles([back]));
    },
  },
};

/** Makes a tenant; two sessions of a user in the default tenant, and one in that. */
async function inTwoTenants(app, user, name) {
  const tenant = name.replaceAll(".", "-");
  const { status, createdNew } = await app.sdk.putTenant(tenant);
  assert.deepEqual([status, createdNew], ["OK", true]);
  const here = [await app.login(user), await app.login(user)];
  return { tenant, here, there: await app.login(user, { tenant }) };
}
