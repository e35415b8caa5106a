// A user with a page: what happens on a good day.
import assert from "node:assert/strict";

import { scenario } from "./support/world.mjs";

const ADA = { status: 200, user: "ada" };

scenario("sign in, keep a note, come back hours later, sign out, by the buttons", {}, async (world) => {
  const tab = await world.open();
  const signedIn = tab.locator("#signed-in");
  await tab.fill("[name=user]", "ada");
  await tab.click("text=Sign in");
  await signedIn.waitFor();
  assert.equal(await tab.innerText("#user"), "ada");
  await tab.fill("[name=note]", "milk");
  await tab.click("text=Keep it");
  await world.advance(2);
  assert.equal(await world.shows(tab), "ada");
  assert.equal(await tab.inputValue("[name=note]"), "milk");
  assert.deepEqual(world.refreshes().filter((status) => status === 200), [200]);
  await tab.click("text=Sign out");
  await tab.locator("#signed-out").waitFor();
  assert.deepEqual(await world.cookies(), []);
  assert.equal(await world.shows(tab), "nobody");
});

scenario("an access token runs out again and again, and the page does not notice", {}, async (world) => {
  const tab = await world.open();
  assert.equal((await world.me(tab)).status, 401);
  await world.signIn(tab);
  assert.deepEqual(await world.me(tab), ADA);
  world.forget();
  for (let turn = 0; turn < 3; turn++) {
    await world.advance(2);
    assert.deepEqual(await world.me(tab), ADA);
    assert.deepEqual(await world.me(tab), ADA);
  }
  assert.deepEqual(world.refreshes(), [200, 200, 200]);
  await world.isOneSession(tab);
});

scenario("ten calls at once when the access token has run out", {}, async (world) => {
  const tab = await world.open();
  await world.signIn(tab);
  for (let turn = 0; turn < 3; turn++) {
    await world.advance(2);
    world.forget();
    const ten = Array.from({ length: 10 }, () => world.me(tab));
    assert.deepEqual(await Promise.all(ten), Array(10).fill(ADA));
    assert.ok(world.refreshes().length <= 10, `${world.refreshes()}`);
    assert.ok(world.refreshes().every((status) => status === 200), `${world.refreshes()}`);
    await world.isOneSession(tab);
  }
});

scenario("two tabs at once when the access token has run out", {}, async (world) => {
  const tabs = [await world.open(), await world.open()];
  await world.signIn(tabs[0]);
  for (let turn = 0; turn < 3; turn++) {
    await world.advance(2);
    world.forget();
    const answers = await Promise.all([...tabs, ...tabs, ...tabs].map((tab) => world.me(tab)));
    assert.deepEqual(answers, Array(6).fill(ADA));
    assert.ok(world.refreshes().length <= 6, `${world.refreshes()}`);
    assert.ok(world.refreshes().every((status) => status === 200), `${world.refreshes()}`);
    await world.isOneSession(tabs[1]);
  }
});

scenario("a sign-out in one tab is seen in the other", {}, async (world) => {
  const tabs = [await world.open(), await world.open()];
  await world.signIn(tabs[0]);
  assert.deepEqual(await world.me(tabs[1]), ADA);
  await world.load(tabs[0]);
  world.forget();
  await tabs[0].click("text=Sign out");
  await tabs[0].locator("#signed-out").waitFor();
  assert.equal((await world.me(tabs[1])).status, 401);
  assert.equal(await world.shows(tabs[1]), "nobody");
  assert.deepEqual(world.refreshes(), []);
});
