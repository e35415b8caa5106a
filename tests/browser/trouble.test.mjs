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

scenario("cookies are forbidden", { blocked: true }, async (world, release) => {
  const tab = await world.context.newPage();
  await tab.goto(world.website);
  console.log(release, await world.call(tab, "POST", "/login", "ada"), await world.me(tab), world.refreshes());
});
