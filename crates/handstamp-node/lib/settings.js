"use strict";
// What `init` is given: hosts of a server elsewhere, or settings of an engine in this process.
const { invalid } = require("./errors.js");
const { kindOf } = require("./values.js");

const isNumber = (value) => typeof value === "number" || "must be a number";
const isText = (value) => (typeof value === "string" && value !== "") || "must be a string that is not empty";
const isFlag = (value) => typeof value === "boolean" || "must be true or false";
const isPath = (value) => (typeof value === "string" && value.startsWith("/")) || "must be a path that begins with /";
const isCount = (value) => (Number.isSafeInteger(value) && value >= 0) || "must be a whole number, 0 or more";
const oneOf = (...values) => (value) => values.includes(value) || `must be one of ${values.join(", ")}`;

/** Those that the engine itself judges; times are milliseconds. */
const ENGINE = {
  database: isText,
  accessTokenValidity: isNumber,
  refreshTokenValidity: isNumber,
  absoluteLifetime: isNumber,
  graceWindow: isNumber,
  signingKeyInterval: isNumber,
  accessTokenJitter: isNumber,
  sessionDataLimit: isNumber,
  accessTokenCookieLimit: isNumber,
  enableAntiCsrf: isFlag,
  accessTokenBlacklisting: isFlag,
};

/** What the server says of cookies where there is one. */
const COOKIES = {
  cookieDomain: isText,
  cookieSecure: isFlag,
  accessTokenPath: isPath,
  refreshTokenPath: isPath,
};

/** Those that mean the same on either backend. */
const COMMON = {
  cookieSameSite: oneOf("none", "lax", "strict"),
  onTheft: oneOf("revoke", "report"),
  verifiedTokens: isCount,
};

const isTimeout = (value) => (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) || "must be a whole number of milliseconds";

const REMOTE = { apiKey: isText, timeout: isTimeout };

/** How many verified access tokens are kept by default. One takes about 2 kB. */
const VERIFIED_TOKENS = 8192;

function hostsOf(value) {
  if (!Array.isArray(value) || value.length === 0) throw invalid("hosts", "must be an array of at least one { hostname, port }");
  return value.map((host, index) => {
    const name = `hosts[${index}]`;
    if (typeof host !== "object" || host === null) throw invalid(name, `must be { hostname, port }, and is ${kindOf(host)}`);
    const { hostname, port } = host;
    if (typeof hostname !== "string" || hostname === "") throw invalid(`${name}.hostname`, "must be a string that is not empty");
    const number = typeof port === "string" ? Number(port) : port;
    if (!Number.isInteger(number) || number < 1 || number > 65535) throw invalid(`${name}.port`, "must be from 1 to 65535");
    // An IPv6 address is written in brackets in a URL.
    const url = `http://${hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname}:${number}`;
    if (!URL.canParse(url)) throw invalid(`${name}.hostname`, "must be a name or an address");
    return url;
  });
}

function checked(given, known) {
  const settings = {};
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(known, name)) throw invalid(name, "is not a setting");
    if (value === undefined) continue;
    const verdict = known[name](value);
    if (verdict !== true) throw invalid(name, `${verdict}, and is ${kindOf(value)}`);
    settings[name] = value;
  }
  return settings;
}

/** Reads what `init` was given: `{ hosts, .. }` or `{ database, .. }`, with the defaults filled in. */
function read(options = {}) {
  if (typeof options !== "object" || options === null) {
    throw invalid("options", `must be an array of hosts or an object of settings, and is ${kindOf(options)}`);
  }
  const given = Array.isArray(options) ? { hosts: options } : options;
  const { hosts, ...rest } = given;
  const common = { onTheft: "revoke", verifiedTokens: VERIFIED_TOKENS };
  if (hosts !== undefined) {
    return { ...common, timeout: 30_000, ...checked(rest, { ...REMOTE, ...COMMON }), hosts: hostsOf(hosts) };
  }
  return {
    ...common,
    database: "sqlite:./handstamp.db",
    enableAntiCsrf: true,
    accessTokenBlacklisting: false,
    cookieSecure: true,
    accessTokenPath: "/",
    refreshTokenPath: "/session/refresh",
    ...checked(rest, { ...ENGINE, ...COOKIES, ...COMMON }),
  };
}

module.exports = { read, engineSettings: Object.keys(ENGINE) };
