// The releases of supertokens-node from 2 on, each with its Express functions under the same names: the package's own changed
// with nearly every major version.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The folder each release is installed in, the newest protocol that it speaks, and the generation of its functions. */
export const RELEASES = {
  "2.5.0": { folder: "supertokens-node-2", protocol: "2.3", generation: hosts },
  "3.4.0": { folder: "supertokens-node-3", protocol: "2.6", generation: recipe },
  "4.4.1": { folder: "supertokens-node-4", protocol: "2.7", generation: recipe },
  "8.6.0": { folder: "supertokens-node-8", protocol: "2.12", generation: accessTokenPayload },
  "13.6.1": { folder: "supertokens-node-13", protocol: "2.20", generation: transferMethods },
  "14.1.4": { folder: "supertokens-node-14", protocol: "2.21", generation: standardTokens },
  "15.2.3": { folder: "supertokens-node-15", protocol: "3.0", generation: tenants },
  "16.7.6": { folder: "supertokens-node-16", protocol: "4.0", generation: recipeUsers },
  "18.0.1": { folder: "supertokens-node-18", protocol: "5.0", generation: recipeUsers },
  "20.1.7": { folder: "supertokens-node-20", protocol: "5.1", generation: recipeUsers },
  "22.1.1": { folder: "supertokens-node-22", protocol: "5.3", generation: recipeUsers },
  "24.0.3": { folder: "supertokens-node-24", protocol: "5.4", generation: recipeUsers },
};

/** Sets up a release with a server at `url`; answers its functions. */
export function setUp(release, { url, apiKey }) {
  const { folder, generation } = RELEASES[release];
  return generation(folder, { url, apiKey });
}

/** 2.x: everything is in the package itself, and cookies are as the server's settings have them. */
function hosts(folder, { url, apiKey }) {
  const sdk = require(folder);
  sdk.init({ hosts: url, apiKey });
  const names = ["UNAUTHORISED", "TRY_REFRESH_TOKEN", "TOKEN_THEFT_DETECTED"];
  return {
    ...oldFunctions(sdk),
    describe(error) {
      if (!sdk.Error.isErrorFromAuth(error)) return undefined;
      return { type: names.find((name) => sdk.Error[name] === error.errType), payload: error.err };
    },
  };
}

/** 3.x and 4.x: the session functions are a recipe's, and the SDK says whether there are anti-CSRF tokens. */
function recipe(folder, connection) {
  const { session } = initRecipe(folder, connection, { enableAntiCsrf: true });
  return { ...oldFunctions(session), describe: describeBy(session) };
}

function oldFunctions(sdk) {
  return {
    create: (req, res, user, payload, data) => sdk.createNewSession(res, user, payload, data),
    check: (req, res, antiCsrf) => sdk.getSession(req, res, antiCsrf),
    refresh: (req, res) => sdk.refreshSession(req, res),
    payload: (session) => session.getJWTPayload(),
    setPayload: (session, payload) => session.updateJWTPayload(payload),
    payloadByHandle: (handle) => sdk.getJWTPayload(handle),
    data: (session) => session.getSessionData(),
    setData: (session, data) => session.updateSessionData(data),
    ...handleFunctions(sdk),
  };
}

/** 8.x: options instead of a flag, and one request for all that is known of a session. */
function accessTokenPayload(folder, connection) {
  const { session: sdk } = initRecipe(folder, connection, { antiCsrf: "VIA_TOKEN" });
  return {
    create: (req, res, user, payload, data) => sdk.createNewSession(res, user, payload, data),
    check: (req, res, antiCsrfCheck) => sdk.getSession(req, res, { antiCsrfCheck }),
    refresh: (req, res) => sdk.refreshSession(req, res),
    payload: (session) => session.getAccessTokenPayload(),
    setPayload: (session, payload) => session.updateAccessTokenPayload(payload),
    payloadByHandle: async (handle) => (await sdk.getSessionInformation(handle)).accessTokenPayload,
    data: (session) => session.getSessionData(),
    setData: (session, data) => session.updateSessionData(data),
    ...handleFunctions(sdk),
    describe: describeBy(sdk),
  };
}

/** 13.x: tokens travel in cookies or in headers; a payload is merged into. */
function transferMethods(folder, connection, initialised = initRecipe(folder, connection, cookies)) {
  const { session: sdk } = initialised;
  return {
    create: (req, res, user, payload, data) => sdk.createNewSession(req, res, user, payload, data),
    check: (req, res, antiCsrfCheck) => sdk.getSession(req, res, { antiCsrfCheck }),
    refresh: (req, res) => sdk.refreshSession(req, res),
    payload: (session) => session.getAccessTokenPayload(),
    setPayload: (session, payload) => session.mergeIntoAccessTokenPayload(payload),
    payloadByHandle: async (handle) => (await sdk.getSessionInformation(handle)).accessTokenPayload,
    data: (session) => session.getSessionData(),
    setData: (session, data) => session.updateSessionData(data),
    ...handleFunctions(sdk),
    describe: describeBy(sdk),
  };
}

/** 14.x: access tokens are JWTs like any other; other names for what is in the database. */
function standardTokens(folder, connection, initialised = initRecipe(folder, connection, cookies)) {
  const { session: sdk } = initialised;
  return {
    ...transferMethods(folder, connection, initialised),
    payloadByHandle: async (handle) => (await sdk.getSessionInformation(handle)).customClaimsInAccessTokenPayload,
    data: (session) => session.getSessionDataFromDatabase(),
    setData: (session, data) => session.updateSessionDataInDatabase(data),
  };
}

/** 15.x: a session belongs to a tenant. */
function tenants(folder, connection) {
  const initialised = initRecipe(folder, connection, cookies);
  return {
    ...standardTokens(folder, connection, initialised),
    create: (req, res, ...rest) => initialised.session.createNewSession(req, res, "public", ...rest),
  };
}

/** 16.x and later: a session belongs to one of a user's ways to sign in. */
function recipeUsers(folder, connection) {
  const initialised = initRecipe(folder, connection, cookies);
  const { supertokens, session } = initialised;
  return {
    ...standardTokens(folder, connection, initialised),
    create: (req, res, user, ...rest) =>
      session.createNewSession(req, res, "public", new supertokens.RecipeUserId(user), ...rest),
  };
}

const cookies = { antiCsrf: "VIA_TOKEN", getTokenTransferMethod: () => "cookie" };

function initRecipe(folder, { url, apiKey }, settings) {
  const supertokens = require(folder);
  const session = require(`${folder}/recipe/session`);
  const appInfo = {
    appName: "tests",
    apiDomain: "http://localhost:3000",
    websiteDomain: "http://localhost:3000",
    apiBasePath: "/",
  };
  supertokens.init({
    // It would go to the package's maker.
    telemetry: false,
    supertokens: { connectionURI: url, apiKey },
    appInfo,
    recipeList: [session.init(settings)],
  });
  return { supertokens, session };
}

/** What has had the same name all the time. */
function handleFunctions(sdk) {
  return {
    list: (user) => sdk.getAllSessionHandlesForUser(user),
    revoke: (handle) => sdk.revokeSession(handle),
    revokeAll: (user) => sdk.revokeAllSessionsForUser(user),
  };
}

function describeBy(sdk) {
  return (error) => (Object.hasOwn(sdk.Error, error.type) ? { type: error.type, payload: error.payload ?? {} } : undefined);
}
