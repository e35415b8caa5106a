// A user with a page: what happens on a bad day. Nobody is signed out by it, and nothing is asked for in a circle.
import assert from "node:assert/strict";

import { NEWEST, OLDEST, scenario } from "./support/world.mjs";

const ADA = { status: 200, user: "ada" };

scenario("a laptop is closed for eight hours", {}, async (world) => {
  await world.context.clock.install();
  const tabs = [await world.open(), await world.open()];
  await world.signIn(tabs[0]);
  for (let day = 0; day < 3; day++) {
    await world.advance(8);
    await world.context.clock.fastForward("08:00:00");
    world.forget();
    const answers = await Promise.all([...tabs, ...tabs].map((tab) => world.me(tab)));
    assert.deepEqual(answers, Array(4).fill(ADA));
    assert.ok(world.refreshes().length <= 4, `${world.refreshes()}`);
    await world.isOneSession(tabs[0]);
  }
});

for (const hours of [0, 8]) {
  scenario(`the answer to a refresh is lost, and asked for again ${hours} hours later`, {}, async (world) => {
    const tab = await world.open();
    await world.signIn(tab);
    await world.advance(2);
    world.forget();
    assert.deepEqual(await world.losingRefreshes(() => world.me(tab)), { thrown: "TypeError" });
    const lost = world.refreshes();
    assert.ok(lost.length >= 1 && lost.length <= 4 && lost.every((status) => status === 200), `${lost}`);
    await world.advance(hours);
    assert.deepEqual(await world.me(tab), ADA);
    assert.equal(world.refreshes().length, lost.length + 1);
    await world.advance(2);
    assert.deepEqual(await world.me(tab), ADA);
    await world.isOneSession(tab);
  });
}

scenario("the application has lost its sessions", {}, async (world) => {
  const tabs = [await world.open(), await world.open()];
  await world.signIn(tabs[0]);
  world.forgetSessions();
  await world.deploy();
  world.forget();
  const calls = [...tabs, ...tabs].map((tab) => world.me(tab));
  for (const { status } of await Promise.all(calls)) assert.equal(status, 401);
  assert.ok(world.refreshes().length <= 4, `${world.refreshes()}`);
  assert.equal(await world.shows(tabs[1]), "nobody");
  const tried = world.refreshes().length;
  assert.equal((await world.me(tabs[0])).status, 401);
  assert.equal(world.refreshes().length, tried);
  await world.signIn(tabs[0]);
  assert.deepEqual(await world.me(tabs[1]), ADA);
  await world.isOneSession(tabs[1]);
});

scenario("somebody else has the cookies", {}, async (world) => {
  const tab = await world.open();
  await world.signIn(tab);
  const thief = await world.another(await world.context.cookies());
  await world.advance(2);
  assert.deepEqual(await world.me(thief), ADA);
  await world.advance(2);
  assert.deepEqual(await world.me(thief), ADA);
  world.forget();
  assert.equal((await world.me(tab)).status, 401);
  assert.deepEqual(world.refreshes(), [401]);
  assert.match(world.log(), /^two parties had the tokens of ada's session [^\n]+\n$/);
  assert.equal(await world.shows(tab), "nobody");
  await world.advance(2);
  assert.equal((await world.me(thief)).status, 401);
  assert.deepEqual(world.refreshes(), [401, 401]);
});

// The newest release does not start, and leaves `fetch` as it was; the first takes it over, and fails with every request.
const FORBIDDEN = {
  [NEWEST]: [{ status: 200 }, { status: 401, message: "unauthorised" }],
  [OLDEST]: [{ thrown: "SecurityError" }, { thrown: "SecurityError" }],
};
scenario("all cookies are forbidden", { cookies: "none" }, async (world, release) => {
  const tab = await world.context.newPage();
  // It comes to this some time after the page is loaded.
  const tried =
    release === NEWEST
      ? tab.waitForEvent("pageerror", ({ name }) => name === "SecurityError")
      : tab.waitForFunction(() => !String(window.fetch).includes("[native code]"));
  await Promise.all([tried, tab.goto(world.website)]);
  const [signedIn, me] = FORBIDDEN[release];
  assert.deepEqual(await world.call(tab, "POST", "/login", "ada"), signedIn);
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(await world.me(tab), me);
  assert.deepEqual(world.refreshes(), []);
});
