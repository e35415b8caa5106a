// The releases of supertokens-node, each with its Express functions under the same names: the package's own changed with nearly
// every major version.
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const packages = fileURLToPath(new URL("../node_modules/", import.meta.url));

/** What not every release has, oldest first. A scenario says which of it it needs; what is left out is printed by these names. */
const CHANGES = "payload changes";
const HEADER = "custom header against CSRF";
const JWTS = "JWTs and their keys";
const MERGES = "payload merges";
const TRANSFER = "header transfer";
const CLAIMS = "claims";
const TENANTS = "tenants";
const APART = "revocation in one tenant";
export const OPTIONAL = [CHANGES, HEADER, JWTS, MERGES, TRANSFER, CLAIMS, TENANTS, APART];

const upTo = (last) => OPTIONAL.slice(0, OPTIONAL.indexOf(last) + 1);

/** The folder each release is installed in, the newest protocol that it speaks, and the generation of its functions. */
export const RELEASES = {
  "1.0.1": { folder: "supertokens-node", protocol: "1.0", generation: first },
  "2.5.0": { folder: "supertokens-node-2", protocol: "2.3", generation: hosts },
  "3.4.0": { folder: "supertokens-node-3", protocol: "2.6", generation: recipe },
  "4.4.1": { folder: "supertokens-node-4", protocol: "2.7", generation: recipe },
  "8.6.0": { folder: "supertokens-node-8", protocol: "2.12", generation: accessTokenPayload },
  "13.6.1": { folder: "supertokens-node-13", protocol: "2.20", generation: transferMethods },
  "14.1.4": { folder: "supertokens-node-14", protocol: "2.21", generation: standardTokens },
  "15.2.3": { folder: "supertokens-node-15", protocol: "3.0", generation: tenants },
  "16.7.6": { folder: "supertokens-node-16", protocol: "4.0", generation: recipeUsers },
  "18.0.1": { folder: "supertokens-node-18", protocol: "5.0", generation: recipeUsers },
  "20.1.7": { folder: "supertokens-node-20", protocol: "5.1", generation: ofOneTenant },
  "22.1.1": { folder: "supertokens-node-22", protocol: "5.3", generation: ofOneTenant },
  "24.0.3": { folder: "supertokens-node-24", protocol: "5.4", generation: ofOneTenant },
};

/**
 * Sets up a release, and answers its functions. The packages keep what they were set up with in globals, so each call loads the
 * package again; one release set up twice is two of them in one process.
 *
 * @param {string} release
 * @param {object} options
 * @param {{ hostname: string, port: number }} options.core where the server is
 * @param {string} [options.apiKey]
 * @param {"VIA_TOKEN" | "VIA_CUSTOM_HEADER" | "NONE"} [options.antiCsrf] up to 2.x the server says it
 * @param {"cookie" | "any"} [options.transfer] "any" leaves it to the client
 * @param {boolean} [options.checkDatabase] whether each check asks the server; up to 13.x the server says it
 */
export function setUp(release, { core, apiKey, antiCsrf = "VIA_TOKEN", transfer = "cookie", checkDatabase = false }) {
  const { folder, generation } = RELEASES[release];
  const own = path.join(packages, folder) + path.sep;
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(own)) delete require.cache[file];
  }
  return generation(folder, { core, apiKey, antiCsrf, transfer, checkDatabase });
}

/** 1.x: hosts without a key to them; a payload is for good. */
function first(folder, { core: { hostname, port } }) {
  const sdk = require(folder);
  sdk.init([{ hostname, port }]);
  return {
    ...oldFunctions(sdk),
    can: [],
    handle: (session) => session.sessionHandle,
    revoke: (handle) => sdk.revokeSessionUsingSessionHandle(handle),
    describe: describeByNumber(sdk),
  };
}

/** 2.x: everything is in the package itself, and cookies are as the server's settings have them. */
function hosts(folder, { core, apiKey }) {
  const sdk = require(folder);
  sdk.init({ hosts: url(core), apiKey });
  return { ...oldFunctions(sdk), can: upTo(CHANGES), describe: describeByNumber(sdk) };
}

/** 3.x and 4.x: the session functions are a recipe's, and the SDK says whether there are anti-CSRF tokens. */
function recipe(folder, options) {
  const { session } = initRecipe(folder, options, { enableAntiCsrf: options.antiCsrf === "VIA_TOKEN" });
  return { ...oldFunctions(session), can: upTo(CHANGES), describe: describeByType(session) };
}

function oldFunctions(sdk) {
  return {
    ...handleFunctions(sdk),
    create: (req, res, user, payload, data) => sdk.createNewSession(res, user, payload, data),
    check: (req, res, { antiCsrf }) => sdk.getSession(req, res, antiCsrf),
    payload: (session) => session.getJWTPayload(),
    setPayload: (session, payload) => session.updateJWTPayload(payload),
    payloadByHandle: (handle) => sdk.getJWTPayload(handle),
  };
}

/** 8.x: options instead of a flag, and one request for all that is known of a session. */
function accessTokenPayload(folder, options) {
  const { session: sdk, jwt } = initRecipe(folder, options, { antiCsrf: options.antiCsrf });
  return {
    ...handleFunctions(sdk),
    ...jwtFunctions(jwt),
    can: upTo(JWTS),
    create: (req, res, user, payload, data) => sdk.createNewSession(res, user, payload, data),
    check: (req, res, { antiCsrf }) => sdk.getSession(req, res, { antiCsrfCheck: antiCsrf }),
    payload: (session) => session.getAccessTokenPayload(),
    setPayload: (session, payload) => session.updateAccessTokenPayload(payload),
    payloadByHandle: async (handle) => (await sdk.getSessionInformation(handle)).accessTokenPayload,
    describe: describeByType(sdk),
  };
}

/** 13.x: tokens travel in cookies or in headers; a payload is merged into; claims. */
function transferMethods(folder, options, initialised = initRecipe(folder, options, modes(options))) {
  const { session: sdk, jwt, claims } = initialised;
  const plan = new claims.PrimitiveClaim({ key: "plan", fetchValue: () => "paid" });
  return {
    ...handleFunctions(sdk),
    ...jwtFunctions(jwt),
    can: upTo(CLAIMS),
    create: (req, res, user, payload, data) => sdk.createNewSession(req, res, user, payload, data),
    check: (req, res, { antiCsrf, claim }) =>
      sdk.getSession(req, res, {
        antiCsrfCheck: antiCsrf,
        checkDatabase: options.checkDatabase,
        ...(claim && {
          overrideGlobalClaimValidators: (validators) => [...validators, plan.validators.hasValue(claim)],
        }),
      }),
    payload: (session) => session.getAccessTokenPayload(),
    setPayload: (session, payload) => session.mergeIntoAccessTokenPayload(payload),
    mergeByHandle: (handle, payload) => sdk.mergeIntoAccessTokenPayload(handle, payload),
    payloadByHandle: async (handle) => (await sdk.getSessionInformation(handle)).accessTokenPayload,
    fetchClaim: (session) => session.fetchAndSetClaim(plan),
    setClaimByHandle: (handle, value) => sdk.setClaimValue(handle, plan, value),
    claimByHandle: async (handle) => (await sdk.getClaimValue(handle, plan)).value,
    describe: describeByType(sdk),
  };
}

/** 14.x: access tokens are standard JWTs, and the payload stands between other members. */
function standardTokens(folder, options, initialised = initRecipe(folder, options, modes(options))) {
  const { session: sdk } = initialised;
  return {
    ...transferMethods(folder, options, initialised),
    payloadByHandle: async (handle) => (await sdk.getSessionInformation(handle)).customClaimsInAccessTokenPayload,
    data: (session) => session.getSessionDataFromDatabase(),
    setData: (session, data) => session.updateSessionDataInDatabase(data),
  };
}

/** 15.x: a session belongs to a tenant. */
function tenants(folder, options, initialised = initRecipe(folder, options, modes(options))) {
  const { session: sdk, multitenancy } = initialised;
  return {
    ...standardTokens(folder, options, initialised),
    can: OPTIONAL,
    create: (req, res, user, payload, data, tenant = "public") =>
      sdk.createNewSession(req, res, tenant, user, payload, data),
    tenant: (session) => session.getTenantId(),
    putTenant: (tenant) => multitenancy.createOrUpdateTenant(tenant),
    list: (user, tenant) => sdk.getAllSessionHandlesForUser(user, tenant),
    revokeAll: (user, tenant) => sdk.revokeAllSessionsForUser(user, tenant),
  };
}

/**
 * 16.x to 18.x: a session belongs to one of a user's ways to sign in. Told to revoke in one tenant, these do not pass it on: up
 * to protocol 4.0 sessions of all tenants are revoked, after that the server refuses.
 */
function recipeUsers(folder, options) {
  const initialised = initRecipe(folder, options, modes(options));
  const { supertokens, session: sdk } = initialised;
  return {
    ...tenants(folder, options, initialised),
    can: upTo(TENANTS),
    create: (req, res, user, payload, data, tenant = "public") =>
      sdk.createNewSession(req, res, tenant, new supertokens.RecipeUserId(user), payload, data),
    list: (user, tenant) => sdk.getAllSessionHandlesForUser(user, true, tenant),
    revokeAll: (user, tenant) => sdk.revokeAllSessionsForUser(user, true, tenant),
  };
}

/** 20.x and later. */
function ofOneTenant(folder, options) {
  return { ...recipeUsers(folder, options), can: OPTIONAL };
}

function modes({ antiCsrf, transfer }) {
  return { antiCsrf, ...(transfer === "cookie" && { getTokenTransferMethod: () => "cookie" }) };
}

function initRecipe(folder, { core, apiKey }, settings) {
  const supertokens = require(folder);
  // What a release does not have stays undefined.
  const part = (name) => {
    try {
      return require(`${folder}/recipe/${name}`);
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") throw error;
      return undefined;
    }
  };
  const session = part("session");
  const jwt = part("jwt");
  const appInfo = {
    appName: "tests",
    apiDomain: "http://localhost:3000",
    websiteDomain: "http://localhost:3000",
    apiBasePath: "/",
  };
  supertokens.init({
    // It would go to the package's maker.
    telemetry: false,
    supertokens: { connectionURI: url(core), apiKey },
    appInfo,
    recipeList: [session.init(settings), ...(jwt ? [jwt.init()] : [])],
  });
  return { supertokens, session, jwt, claims: part("session/claims"), multitenancy: part("multitenancy") };
}

/** What has had the same name all the time, or nearly. */
function handleFunctions(sdk) {
  return {
    refresh: (req, res) => sdk.refreshSession(req, res),
    user: (session) => session.getUserId(),
    handle: (session) => session.getHandle(),
    data: (session) => session.getSessionData(),
    setData: (session, data) => session.updateSessionData(data),
    list: (user) => sdk.getAllSessionHandlesForUser(user),
    revoke: (handle) => sdk.revokeSession(handle),
    revokeAll: (user) => sdk.revokeAllSessionsForUser(user),
  };
}

function jwtFunctions(jwt) {
  return {
    jwt: async (payload) => (await jwt.createJWT(payload, 60)).jwt,
    keys: async () => (await jwt.getJWKS()).keys,
  };
}

function describeByNumber(sdk) {
  const names = ["UNAUTHORISED", "TRY_REFRESH_TOKEN", "TOKEN_THEFT_DETECTED"];
  return (error) => {
    if (!sdk.Error.isErrorFromAuth(error)) return undefined;
    const type = names.find((name) => sdk.Error[name] === error.errType);
    return type && { type, payload: error.err };
  };
}

function describeByType(sdk) {
  return (error) => (Object.hasOwn(sdk.Error, error.type) ? { type: error.type, payload: error.payload ?? {} } : undefined);
}

function url({ hostname, port }) {
  return `http://${hostname}:${port}`;
}
