// Newer releases of supertokens-node without a web framework, with access tokens signed by RS256.
import { runScenarios } from "./support/without-express.mjs";

await runScenarios("RS256");
