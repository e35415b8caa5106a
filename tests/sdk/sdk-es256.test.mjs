// Newer releases of supertokens-node, with access tokens signed by ES256.
import { runScenarios } from "./support/scenarios.mjs";

await runScenarios("ES256");
