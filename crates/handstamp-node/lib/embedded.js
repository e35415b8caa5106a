"use strict";
// The engine in this process.
const answers = require("./answers.js");
const { general, invalid, tokenTheftDetected, tryRefreshToken, unauthorised } = require("./errors.js");
const { engineSettings } = require("./settings.js");
const { traceFailure } = require("./trace.js");

const KIND = "engine";
const NO_SESSION = "Session does not exist.";

/** The arguments of this package's functions, by the engine's names for what they hold. */
const ARGUMENTS = { "user id": "userId", "JWT payload": "jwtPayload", "session data": "sessionData" };

function failed({ code, field, message, outcomeUnknown }, names) {
  if (code === "INVALID") return invalid(names[field] ?? field, message);
  const error = general(code, message);
  error.outcomeUnknown = outcomeUnknown;
  return error;
}

/** The answer, unless it is that nothing was done. */
function sound(answer, names = ARGUMENTS) {
  if (answer.status === "FAILED") throw failed(answer.failure, names);
  return answer;
}

const viewOf = ({ handle, userId, jwtPayload }) => answers.session(handle, userId, JSON.parse(jwtPayload));

/** The addon, loaded when it is used: an application with a server elsewhere needs none. */
function loadEngine() {
  try {
    return require("../native.js").Engine;
  } catch (error) {
    throw general("NO_ADDON", `there is no addon for ${process.platform} on ${process.arch}; the README tells how to build it`, error);
  }
}

/** Holds on to no engine, so that one that is forgotten goes. */
function upkeepFailed({ operation, failure }) {
  traceFailure(operation, KIND, failed(failure, ARGUMENTS));
}

class Embedded {
  kind = KIND;
  canVersion = true;
  #engine;
  #settings;

  constructor(settings) {
    this.#settings = settings;
    const Engine = loadEngine();
    const given = engineSettings.filter((name) => name in settings).map((name) => [name, settings[name]]);
    const made = Engine.make({ ...Object.fromEntries(given), revokeOnTheft: settings.onTheft === "revoke" }, upkeepFailed);
    if (made.status === "UNFIT") throw invalid(made.setting, `must be ${made.allowed}`);
    this.#engine = made.engine;
  }

  get cachesVerified() {
    return !this.#settings.accessTokenBlacklisting;
  }

  get enableAntiCsrf() {
    return this.#settings.enableAntiCsrf;
  }

  async cookies() {
    const { cookieDomain, cookieSecure, accessTokenPath, refreshTokenPath } = this.#settings;
    return { domain: cookieDomain, secure: cookieSecure, accessTokenPath, refreshTokenPath };
  }

  async open() {
    sound(await this.#engine.open());
  }

  async close() {
    await this.#engine.close();
  }

  async create(userId, jwtPayload, sessionData) {
    return this.#issued(sound(await this.#engine.create(userId, jwtPayload, sessionData)).tokens);
  }

  /** At once where the signature alone decides; otherwise a promise. */
  verify(token, check, antiCsrf) {
    const answer = this.#engine.verifyAtOnce(token, check, antiCsrf);
    return answer === null ? this.#ask(token, check, antiCsrf) : this.#verified(answer);
  }

  /** What the database said may be otherwise by the next time. */
  async #ask(token, check, antiCsrf) {
    return { ...this.#verified(await this.#engine.verify(token, check, antiCsrf)), expiry: 0 };
  }

  async refresh(token) {
    const answer = sound(await this.#engine.refresh(token));
    if (answer.status === "OK") return this.#issued(answer.tokens);
    if (answer.status === "UNAUTHORISED") throw unauthorised(answer.message);
    throw tokenTheftDetected(answer.handle, answer.userId);
  }

  async revoke(handle) {
    return sound(await this.#engine.revoke([handle])).handles.length === 1;
  }

  async revokeUser(userId) {
    return sound(await this.#engine.revokeUser(userId)).handles.length;
  }

  async handlesOfUser(userId) {
    return sound(await this.#engine.handlesOfUser(userId)).handles;
  }

  async data(handle) {
    const answer = sound(await this.#engine.sessionData(handle));
    if (answer.status === "MISSING") throw unauthorised(NO_SESSION);
    return { data: JSON.parse(answer.data), version: answer.version, expiry: answer.expiry };
  }

  async writeData(handle, data, expectedVersion) {
    const written = await this.#engine.writeSessionData(handle, data, expectedVersion);
    const answer = sound(written, { "session data": "newSessionData" });
    if (answer.status === "MISSING") throw unauthorised(NO_SESSION);
    return answer.status === "OK" ? { written: true, version: answer.version } : { written: false };
  }

  #verified(answer) {
    sound(answer);
    if (answer.status === "UNAUTHORISED") throw unauthorised(answer.message);
    if (answer.status === "TRY_REFRESH_TOKEN") throw tryRefreshToken(answer.message);
    const { session, expiry, accessToken } = answer;
    return { session: viewOf(session), expiry, accessToken: accessToken && this.#cookieToken(accessToken) };
  }

  #issued({ session, accessToken, refreshToken, ...rest }) {
    return {
      ...rest,
      session: viewOf(session),
      accessToken: this.#cookieToken(accessToken),
      refreshToken: { ...this.#cookieToken(refreshToken), cookiePath: this.#settings.refreshTokenPath },
    };
  }

  #cookieToken(token) {
    const { cookieDomain, cookieSecure, accessTokenPath } = this.#settings;
    return { ...token, cookiePath: accessTokenPath, cookieSecure, domain: cookieDomain };
  }
}

module.exports = { Embedded };
