// Newer releases of supertokens-node without a web framework, with access tokens signed by ES256.
import { runScenarios } from "./support/without-express.mjs";

await runScenarios("ES256");
