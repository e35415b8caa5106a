// The table of scenarios on every backend; and that supertokens-node 1.0.1 agrees.
import { test } from "node:test";

import { BACKENDS } from "./support/backends.mjs";
import { SCENARIOS, toolsFor } from "./support/scenarios.mjs";

for (const [backend, { skip, start }] of Object.entries(BACKENDS)) {
  test(backend, { skip }, async (t) => {
    const tools = toolsFor(await start());
    for (const [name, scenario] of Object.entries(SCENARIOS)) await t.test(name, () => scenario(tools));
  });
}
