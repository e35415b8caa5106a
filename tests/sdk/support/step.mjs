// One step of a session with a release of supertokens-node, for tests of SDKs in other languages:
//
//     node step.mjs RELEASE PORT create USER
//     node step.mjs RELEASE PORT go-on       refreshes and verifies; the tokens come on standard input
//     node step.mjs RELEASE PORT revoke HANDLE
//
// prints as JSON what came of it.
import { text as read } from "node:stream/consumers";

import { startApp } from "./application.mjs";
import { Browser } from "./browser.mjs";

const [release, port, action, argument] = process.argv.slice(2);
const app = await startApp(release, { hostname: "127.0.0.1", port: Number(port) });
const browser = new Browser(app.url);
const cookie = (name) => decodeURIComponent(browser.cookies.get(name).value);

/** The answer to the last of some requests, or to the first that is refused. */
async function ask(...requests) {
  for (const [last, [method, path]] of requests.entries()) {
    const { status, text, json } = await browser.send(method, path);
    if (status === 440) return { error: json().error };
    if (status !== 200) throw new Error(`${status} ${text}`);
    if (last < requests.length - 1) continue;
    const { user, handle, payload } = json();
    const tokens = { accessToken: cookie("sAccessToken"), refreshToken: cookie("sRefreshToken") };
    return { user, handle, role: payload.role, ...tokens, antiCsrfToken: browser.antiCsrf };
  }
}

const actions = {
  create: () => ask(["POST", `/login?user=${argument}`]),
  async "go-on"() {
    const { accessToken, refreshToken, antiCsrfToken } = JSON.parse(await read(process.stdin));
    // Releases before 13 look whether the last is there.
    const held = { sAccessToken: accessToken, sRefreshToken: refreshToken, sIdRefreshToken: "any" };
    for (const [name, value] of Object.entries(held)) {
      browser.cookies.set(name, { name, value: encodeURIComponent(value), path: "/" });
    }
    browser.antiCsrf = antiCsrfToken;
    return ask(["POST", "/session/refresh"], ["POST", "/guarded"]);
  },
  revoke: async () => ({ revoked: await app.sdk.revoke(argument) }),
};
console.log(JSON.stringify(await actions[action]()));
await app.close();
