// What cannot be is refused by an error that says which argument and why; and the process goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";

import { OURS, open } from "./support/backends.mjs";
import { failsWith, refuses } from "./support/failures.mjs";

const cycle = {};
cycle.self = { cycle };
const nested = (depth) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
const deep = () => {
  const top = {};
  let at = top;
  for (let level = 0; level < 100_000; level++) at = at.a = {};
  return top;
};
const LONE = "\ud800";

/** What is no string. */
const NOT_TEXTS = [undefined, null, 1, NaN, 10n, true, {}, [], ["text"], () => {}, Symbol("s"), new String("text"), cycle, Buffer.from("x")];

/** What is no object that JSON can say, and why. */
const NOT_JSON = [
  [null, /must be an object, and is null/],
  ["text", /must be an object, and is string/],
  [1, /number/],
  [10n, /bigint/],
  [true, /boolean/],
  [[], /an array/],
  [() => {}, /function/],
  [Symbol("s"), /symbol/],
  [cycle, /contains itself/],
  [{ list: [1, { big: 10n }] }, /big is a bigint/],
  [{ call() {} }, /call is a function/],
  [{ s: Symbol("s") }, /s is a symbol/],
  [JSON.parse('{"__proto__": {"admin": true}}'), /__proto__/],
  [{ nested: JSON.parse('{"__proto__": {"admin": true}}') }, /__proto__/],
  [{ text: `a${LONE}` }, /surrogate/],
  [{ [LONE]: 1 }, /surrogate/],
  [{ list: [LONE] }, /surrogate/],
  [new Date(0), /toJSON/],
  [{ toJSON: () => undefined }, /toJSON/],
  [{ toJSON: () => [] }, /toJSON/],
  ...[new Error("no"), null, undefined, "circular", { argument: "x" }].map((thrown) => [
    {
      toJSON() {
        throw thrown;
      },
    },
    /cannot be written as JSON$/,
  ]),
  [deep(), /too deep/],
  [
    {
      toJSON() {
        throw new RangeError("Invalid time value");
      },
    },
    /cannot be written as JSON$/,
  ],
];

/** What JSON would write as if it had nothing in it, or as something else, without a word. */
const LOST = {
  Map: new Map([["a", 1]]),
  Set: new Set([1]),
  WeakMap: new WeakMap(),
  WeakSet: new WeakSet(),
  WeakRef: new WeakRef({}),
  Promise: Promise.resolve(1),
  RegExp: /x/,
  Error: Object.assign(new TypeError("x"), { code: 1 }),
  ArrayBuffer: new ArrayBuffer(1),
  SharedArrayBuffer: new SharedArrayBuffer(1),
  Uint8Array: new Uint8Array(1),
  Float64Array: new Float64Array(1),
  DataView: new DataView(new ArrayBuffer(1)),
  Generator: (function* () {})(),
  "Map Iterator": new Map().keys(),
  URLSearchParams: new URLSearchParams("a=1"),
  Headers: new Headers({ a: "1" }),
  Symbol: Object(Symbol("s")),
  BigInt: Object(1n),
  // Of another realm, as test runners have them.
  "Map ": runInNewContext("new Map([[1, 2]])"),
  "Error ": runInNewContext("new Error('x')"),
};

/** Where something may be, and by which path that is said. */
const PLACES = [
  [(value) => ({ value }), "value"],
  [(value) => ({ before: [{}], list: [1, { big: value }], after: {} }), "list[1].big"],
  [(value) => ({ a: { b: [[value]] } }), "a.b[0][0]"],
  [(value) => ({ made: { toJSON: () => ({ inner: value }) } }), "made.inner"],
];

for (const [backend, { skip, start }] of Object.entries(OURS)) {
  test(backend, { skip }, async (t) => {
    const { sdk } = await start();
    const { session, accessToken, refreshToken } = await sdk.createNewSession("input", { kept: 1 }, { kept: 2 });

    await t.test("what is no text", async () => {
      for (const value of NOT_TEXTS) {
        await refuses("userId", /must be a string/, sdk.createNewSession(value));
        await refuses("userId", /must be a string/, sdk.revokeAllSessionsForUser(value));
        await refuses("userId", /must be a string/, sdk.getAllSessionHandlesForUser(value));
        await refuses("accessToken", /must be a string/, sdk.getSession(value));
        await refuses("refreshToken", /must be a string/, sdk.refreshSession(value));
        await refuses("sessionHandle", /must be a string/, sdk.revokeSessionUsingSessionHandle(value));
        await refuses("sessionHandle", /must be a string/, sdk.getSessionData(value));
        await refuses("sessionHandle", /must be a string/, sdk.updateSessionData(value, {}));
        if (value === undefined) continue;
        await refuses("antiCsrfToken", /must be a string/, sdk.getSession(accessToken.token, value));
        await refuses("idRefreshToken", /must be a string/, sdk.getSession(accessToken.token, undefined, false, value));
      }
    });

    await t.test("what is neither true nor false", async () => {
      for (const value of [undefined, null, 0, 1, "true", {}, cycle]) {
        await refuses("doAntiCsrfCheck", /must be true or false/, sdk.getSession(accessToken.token, undefined, value));
      }
    });

    await t.test("what is no JSON object", async () => {
      for (const [value, why] of NOT_JSON) {
        await refuses("jwtPayload", why, sdk.createNewSession("input", value));
        await refuses("sessionData", why, sdk.createNewSession("input", {}, value));
        await refuses("newSessionData", why, sdk.updateSessionData(session.handle, value));
      }
      await refuses("newSessionData", /and is undefined/, sdk.updateSessionData(session.handle));
    });

    await t.test("what JSON would lose is refused, and it is said where it is", async () => {
      const same = { deep: { er: 1 } };
      for (const [type, lost] of Object.entries(LOST)) {
        const why = new RegExp(`has the type ${type.trim()}, which JSON cannot say$`);
        for (const [place, path] of PLACES) {
          const err = await refuses("newSessionData", why, sdk.updateSessionData(session.handle, place(lost)));
          assert.equal(err.path, path);
          assert.ok(err.reason.includes(`${path} has`), err.reason);
        }
        const err = await refuses("jwtPayload", why, sdk.createNewSession("input", lost));
        assert.equal(err.path, "");
        await refuses("sessionData", why, sdk.createNewSession("input", {}, { same, again: same, lost }));
      }
      for (const [value, path] of [[{ a: [10n] }, "a[0]"], [{ a: { b: LONE } }, "a.b"], [{ a: new String(LONE) }, "a"]]) {
        assert.equal((await refuses("newSessionData", /./, sdk.updateSessionData(session.handle, value))).path, path);
      }
    });

    await t.test("what JSON writes in its own way is written so", async () => {
      class Money {
        amount = 5;
      }
      const shared = { n: 1 };
      const data = {
        date: new Date(0),
        noDate: new Date(NaN),
        buffer: Buffer.from("a"),
        url: new URL("http://a/"),
        money: new Money(),
        boxed: [new String("text"), new Number(1), new Boolean(true)],
        bare: Object.assign(Object.create(null), { shared }),
        foreign: runInNewContext("({ a: [1] })"),
        again: shared,
        nan: NaN,
        empty: [{}, []],
      };
      const made = await sdk.createNewSession("written", {}, data);
      assert.deepEqual(await sdk.getSessionData(made.session.handle), JSON.parse(JSON.stringify(data)));
    });

    await t.test("what is too much", async () => {
      const twoMebibytes = { text: "x".repeat(2 * 1024 * 1024) };
      await refuses("sessionData", /must be (at most 1048576|smaller)/, sdk.createNewSession("input", {}, twoMebibytes));
      await refuses("newSessionData", /must be (at most 1048576|smaller)/, sdk.updateSessionData(session.handle, twoMebibytes));
      await refuses("jwtPayload", /must be/, sdk.createNewSession("input", twoMebibytes));
      await refuses("jwtPayload", /4096/, sdk.createNewSession("input", { text: "x".repeat(4096) }));
      const oneMore = { text: "x".repeat(1024 * 1024) };
      await refuses("sessionData", /at most 1048576 bytes/, sdk.createNewSession("input", {}, oneMore));
      await refuses("newSessionData", /at most 1048576 bytes/, sdk.updateSessionData(session.handle, oneMore));
      await refuses("userId", /128/, sdk.createNewSession("x".repeat(129)));
      await refuses("userId", /NUL/, sdk.createNewSession("a\0b"));
      await refuses("jwtPayload", /must be/, sdk.createNewSession("input", nested(200)));
      await refuses("sessionData", /must be/, sdk.createNewSession("input", {}, nested(200)));
      await refuses("newSessionData", /must be/, sdk.updateSessionData(session.handle, nested(200)));
    });

    await t.test("half of a surrogate pair: stored nowhere, and no token or handle has one", async () => {
      await refuses("userId", /surrogate/, sdk.createNewSession(LONE));
      await refuses("userId", /surrogate/, sdk.revokeAllSessionsForUser(LONE));
      await failsWith("TRY_REFRESH_TOKEN", sdk.getSession(`${accessToken.token}${LONE}`));
      await failsWith("UNAUTHORISED", sdk.refreshSession(`${refreshToken.token}${LONE}`));
      await failsWith("UNAUTHORISED", sdk.getSessionData(LONE));
      assert.equal(await sdk.revokeSessionUsingSessionHandle(`${session.handle}${LONE}`), false);
    });

    await t.test("nothing came of all that", async () => {
      assert.deepEqual(await sdk.getAllSessionHandlesForUser("input"), [session.handle]);
      assert.deepEqual(await sdk.getSessionData(session.handle), { kept: 2 });
      assert.equal({}.admin, undefined);
    });

    await t.test("no error shows a token or what was given", async () => {
      const errors = await Promise.allSettled([
        sdk.getSession("canary.canary.canary"),
        sdk.getSession(accessToken.token, "canary"),
        sdk.getSession(`${accessToken.token}x`),
        sdk.refreshSession(`${refreshToken.token}x`),
        sdk.refreshSession("canary"),
        sdk.createNewSession("canary".repeat(100)),
        sdk.createNewSession("input", { text: "canary".repeat(1000) }),
        sdk.createNewSession("input", { text: `canary${LONE}` }),
        sdk.updateSessionData(session.handle, { text: "canary", list: ["canary", 10n] }),
      ]);
      for (const { status, reason } of errors) {
        assert.equal(status, "rejected");
        // With all that is in it, and in its causes.
        const shown = `${inspect(reason, { depth: Infinity, showHidden: true })} ${JSON.stringify(reason)}`;
        for (const secret of ["canary", accessToken.token, refreshToken.token]) assert.ok(!shown.includes(secret), shown);
      }
    });

    await t.test("after close", async () => {
      await sdk.close();
      await sdk.close();
      for (const call of [
        () => sdk.createNewSession("closed"),
        () => sdk.getSession(accessToken.token),
        () => sdk.refreshSession(refreshToken.token),
        () => sdk.revokeAllSessionsForUser("input"),
        () => sdk.revokeSessionUsingSessionHandle(session.handle),
        () => sdk.getAllSessionHandlesForUser("input"),
        () => sdk.getSessionData(session.handle),
        () => sdk.updateSessionData(session.handle, {}),
        () => sdk.readSessionData(session.handle),
        () => sdk.writeSessionData(session.handle, {}),
        () => sdk.ready(),
      ]) {
        assert.equal((await failsWith("GENERAL_ERROR", call())).code, "CLOSED");
      }
    });
  });
}

test("settings that cannot be are refused at once, by their names", async () => {
  const cases = [
    ["options", 1],
    ["options", null],
    ["options", "sqlite:x"],
    ["options", () => {}],
    ["hosts", []],
    ["hosts", { hosts: {} }],
    ["hosts[0]", [1]],
    ["hosts[0].hostname", [{ port: 1 }]],
    ["hosts[0].hostname", [{ hostname: "a b", port: 1 }]],
    ["hosts[1].port", [{ hostname: "a", port: 1 }, { hostname: "a", port: 0 }]],
    ["hosts[0].port", [{ hostname: "a", port: "x" }]],
    ["apiKey", { hosts: [{ hostname: "a", port: 1 }], apiKey: 1 }],
    ["database", { hosts: [{ hostname: "a", port: 1 }], database: "memory:" }],
    ["database", { database: 1 }],
    ["database", { database: "oracle:me:canary@db" }],
    ["access_token_validity", { access_token_validity: 1 }],
    ["accessTokenValidity", { accessTokenValidity: "1" }],
    ["accessTokenValidity", { accessTokenValidity: 0 }],
    ["accessTokenValidity", { accessTokenValidity: -1 }],
    ["accessTokenValidity", { accessTokenValidity: NaN }],
    ["accessTokenValidity", { accessTokenValidity: Infinity }],
    ["refreshTokenValidity", { refreshTokenValidity: 1000 }],
    ["absoluteLifetime", { absoluteLifetime: 1 }],
    ["graceWindow", { graceWindow: 300_001 }],
    ["signingKeyInterval", { signingKeyInterval: 1 }],
    ["accessTokenJitter", { accessTokenJitter: 1 }],
    ["sessionDataLimit", { sessionDataLimit: 1.5 }],
    ["sessionDataLimit", { sessionDataLimit: 1 }],
    ["accessTokenCookieLimit", { accessTokenCookieLimit: 1 }],
    ["enableAntiCsrf", { enableAntiCsrf: "yes" }],
    ["cookieSecure", { cookieSecure: 1 }],
    ["cookieSameSite", { cookieSameSite: "None" }],
    ["accessTokenPath", { accessTokenPath: "x" }],
    ["onTheft", { onTheft: "ignore" }],
    ["verifiedTokens", { verifiedTokens: -1 }],
    ...["", "canary example", "canary;x", "https://canary", "canary..example", "café", ".", 1].map((cookieDomain) => ["cookieDomain", { cookieDomain }]),
    ...["/canary;x", "/é", "/a\nb", "canary", "", null].flatMap((path) => [
      ["accessTokenPath", { accessTokenPath: path }],
      ["refreshTokenPath", { refreshTokenPath: path }],
    ]),
    ...[3_153_600_000_001, 8.64e15, 1e300, Infinity].flatMap((span) => [
      ["refreshTokenValidity", { refreshTokenValidity: span }],
      ["absoluteLifetime", { absoluteLifetime: span }],
      ["signingKeyInterval", { signingKeyInterval: span }],
    ]),
    ...["a?b", "a#b", "a@b", "me:canary@b", "a\\b", "http://a", "a:1/b"].map((hostname) => ["hosts[0].hostname", [{ hostname, port: 1 }]]),
    ...["canary\n", "\u4e16canary", ""].map((apiKey) => ["apiKey", { hosts: [{ hostname: "a", port: 1 }], apiKey }]),
    ...[0, -1, 1.5, "1", 2 ** 31].map((connectTimeout) => ["connectTimeout", { hosts: [{ hostname: "a", port: 1 }], connectTimeout }]),
  ];
  for (const [argument, options] of cases) {
    const opening = (async () => open(options))();
    const error = await failsWith("GENERAL_ERROR", opening);
    assert.equal(error.err.argument, argument, error.message);
    assert.ok(!error.message.includes("canary"), error.message);
  }
});

test("what JSON does not see is not lost without a word", async () => {
  class Hidden {
    #secret = 1;
    get secret() {
      return this.#secret;
    }
  }
  const parameters = Object.assign(new URLSearchParams("a=1"), { own: 1 });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const sdk = open({ database: "memory:" });
  try {
    for (const [value, path] of [
      [{ a: 1, [Symbol("b")]: 2 }, ""],
      [{ list: Object.assign([1], { x: 2 }) }, "list"],
      [{ in: new Hidden() }, "in"],
      [{ in: parameters }, "in"],
      [proxy, ""],
    ]) {
      await assert.rejects(sdk.createNewSession("user", {}, value), { code: "INVALID_ARGUMENT", argument: "sessionData", path });
    }
    await assert.rejects(sdk.createNewSession(proxy), { code: "INVALID_ARGUMENT", argument: "userId" });
    // What it does see is kept, of whatever class.
    class Seen {
      plan = "free";
    }
    const { session } = await sdk.createNewSession("user", {}, { of: new Seen(), none: Object.create(null), sparse: [, 1] });
    assert.deepEqual(await sdk.getSessionData(session.handle), { of: { plan: "free" }, none: {}, sparse: [null, 1] });
    assert.equal((await sdk.getAllSessionHandlesForUser("user")).length, 1);
  } finally {
    await sdk.close();
  }
});
