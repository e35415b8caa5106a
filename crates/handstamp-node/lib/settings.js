"use strict";
// What `init` is given: hosts of a server elsewhere, or settings of an engine in this process.
const { validateHeaderValue } = require("node:http");
const { unfitForCookies } = require("./cookies.js");
const { AuthError, invalid } = require("./errors.js");
const { kindOf } = require("./values.js");

const isNumber = (value) => typeof value === "number" || "must be a number";
const isText = (value) => (typeof value === "string" && value !== "") || "must be a string that is not empty";
const isFlag = (value) => typeof value === "boolean" || "must be true or false";

/** 100 years. A cookie says when it ends, and four digits are all that browsers read of a year. */
const LONGEST = 3_153_600_000_000;
const isSpan = (value) => (typeof value === "number" && !(value > LONGEST)) || `must be a number, of ${LONGEST} at most`;

/** Seen by a cookie that is made of it: it would be too late when a session has been stored. */
const fitsCookies = (name, value) => unfitForCookies({ [name]: value }) === undefined;
const isDomain = (value) =>
  (isText(value) === true && fitsCookies("cookieDomain", value)) || "must be the name of a host, as cookies have it";
const isPath = (value) =>
  (isText(value) === true && value.startsWith("/") && fitsCookies("accessTokenPath", value)) ||
  "must be a path that begins with /, of ASCII as cookies have it";
const isCount = (value) => (Number.isSafeInteger(value) && value >= 0) || "must be a whole number, 0 or more";
const oneOf = (...values) => (value) => values.includes(value) || `must be one of ${values.join(", ")}`;

/** How a server's address looks: hosts with ports, a database, and what follows. */
const SERVER = /^(postgres|postgresql|mysql|mariadb):\/\/(?:[^/?#]*@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?(.*))?$/;
const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[^:[\]\s]*)(?::(\d{1,5}))?$/;
const IN_WORDS = "must be memory:, sqlite:PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE or mysql:// with the same";

/** What is wrong with it is said without it: it may hold a password. */
function isDatabase(value) {
  if (isText(value) !== true) return isText(value);
  if (!/^(postgres|postgresql|mysql|mariadb):/.test(value)) return true;
  const [, , hosts, database, values = ""] = SERVER.exec(value) ?? [];
  if (hosts === undefined) return IN_WORDS;
  const named = new URLSearchParams(values);
  const places = hosts.split(",").map((host) => HOST.exec(host));
  if (places.some((place) => place === null || Number(place[1] ?? 1) > 65_535 || Number(place[1] ?? 1) < 1)) {
    return `${IN_WORDS}; one of its hosts or ports is none`;
  }
  if (hosts === "" && !["host", "hostaddr", "socket"].some((name) => named.has(name))) return `${IN_WORDS}; it names no host`;
  if (!database && !named.has("dbname")) return `${IN_WORDS}; it names no database`;
  return true;
}

/** Those that the engine itself judges; times are milliseconds. */
const ENGINE = {
  database: isDatabase,
  accessTokenValidity: isNumber,
  refreshTokenValidity: isSpan,
  absoluteLifetime: isSpan,
  graceWindow: isNumber,
  signingKeyInterval: isSpan,
  accessTokenJitter: isNumber,
  sessionDataLimit: isNumber,
  accessTokenCookieLimit: isNumber,
  enableAntiCsrf: isFlag,
  accessTokenBlacklisting: isFlag,
};

/** What the server says of cookies where there is one. */
const COOKIES = {
  cookieDomain: isDomain,
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

/** It goes into a header. */
function isKey(value) {
  try {
    validateHeaderValue("api-key", value);
    return isText(value);
  } catch {
    return "must be a string that a header can have";
  }
}

const REMOTE = { apiKey: isKey, timeout: isTimeout, connectTimeout: isTimeout };

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
    const url = urlOf(hostname, number);
    if (url === undefined) throw invalid(`${name}.hostname`, "must be a name or an address, and may have a path after it");
    return url;
  });
}

/** The address of a server, which may be below a path: the port goes between the two. `undefined` if there is none such. */
function urlOf(hostname, port) {
  if (/[?#@\\\s]/.test(hostname)) return undefined;
  const [, name, path] = /^([^/]*)(.*)$/.exec(hostname);
  // An IPv6 address is written in brackets in a URL.
  const host = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  const url = `http://${host}:${port}${path.replace(/\/+$/, "")}`;
  return URL.canParse(url) ? url : undefined;
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

/** The settings by their names; what nobody meant to say is not taken for the default. */
function namedIn(options) {
  if (Array.isArray(options)) return { hosts: options };
  const given = { ...options };
  const prototype = Object.getPrototypeOf(options);
  // Such as a Map: what it holds would not be seen.
  if (Object.keys(given).length === 0 && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw invalid("options", "must be an array of hosts or an object of settings, and has none that can be seen");
  }
  for (const name of ["database", "hosts"]) {
    if (Object.hasOwn(given, name) && given[name] === undefined) {
      throw invalid(name, "is named, and is undefined: leave it out for the default, which is SQLite in the working directory");
    }
  }
  return given;
}

/** Reads what `init` was given: `{ hosts, .. }` or `{ database, .. }`, with the defaults filled in. */
function read(options = {}) {
  try {
    return understood(options);
  } catch (error) {
    // Such as a getter that fails.
    throw AuthError.isErrorFromAuth(error) ? error : invalid("options", "cannot be read");
  }
}

function understood(options) {
  if (typeof options !== "object" || options === null) {
    throw invalid("options", `must be an array of hosts or an object of settings, and is ${kindOf(options)}`);
  }
  const { hosts, ...rest } = namedIn(options);
  const common = { onTheft: "revoke", verifiedTokens: VERIFIED_TOKENS };
  if (hosts !== undefined) {
    return { ...common, timeout: 30_000, connectTimeout: 5000, ...checked(rest, { ...REMOTE, ...COMMON }), hosts: hostsOf(hosts) };
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
