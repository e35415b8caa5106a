// Newer releases of supertokens-node, with access tokens signed by RS256.
import { runScenarios } from "./support/scenarios.mjs";

await runScenarios("RS256");
