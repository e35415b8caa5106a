"use strict";
// The functions that need no web framework, over either backend.
const answers = require("./answers.js");
const { VerifiedTokens } = require("./cache.js");
const { Embedded } = require("./embedded.js");
const { general, invalid, unauthorised } = require("./errors.js");
const { jsonObject } = require("./json.js");
const { Remote } = require("./remote.js");
const { read } = require("./settings.js");
const { trace } = require("./trace.js");
const { flag, optionalText, options, text, unicode, kindOf } = require("./values.js");

/** Sessions of one application. */
class Sessions {
  #backend;
  #sameSite;
  #verified;
  #pending = new Set();
  #closing;

  /** See `init`. The database, or the server, is asked for the first time by `ready` or by the first request. */
  constructor(options) {
    const settings = read(options);
    this.#backend = settings.hosts === undefined ? new Embedded(settings) : new Remote(settings);
    this.#sameSite = settings.cookieSameSite;
    this.#verified = new VerifiedTokens(settings.verifiedTokens);
  }

  /** Waits until requests can be answered. Requests wait by themselves; this tells at the start what would fail later. */
  async ready() {
    this.#open();
    await this.#backend.open();
  }

  /** Finishes what is under way and lets the database go. Every request after that fails. */
  close() {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish() {
    this.#verified.clear();
    await Promise.allSettled(this.#pending);
    await this.#backend.close();
  }

  /** Which backend it is, for listeners. */
  get kind() {
    return this.#backend.kind;
  }

  get isClosed() {
    return this.#closing !== undefined;
  }

  async createNewSession(userId, jwtPayload = {}, sessionData = {}) {
    return this.#traced("createNewSession", async () => {
      unicode("userId", userId);
      const payload = jsonObject("jwtPayload", jwtPayload);
      const data = jsonObject("sessionData", sessionData);
      return answers.issued(await this.#backend.create(userId, payload, data));
    });
  }

  /**
   * With two arguments, the anti-CSRF token is compared if there is one; with three, if it is to be; with four, there has to be
   * an id refresh token as well.
   */
  async getSession(accessToken, antiCsrfToken, doAntiCsrfCheck, idRefreshToken) {
    const given = arguments.length;
    return this.#traced("getSession", () => {
      text("accessToken", accessToken);
      optionalText("antiCsrfToken", antiCsrfToken);
      const check = given < 3 ? antiCsrfToken !== undefined : flag("doAntiCsrfCheck", doAntiCsrfCheck);
      if (given > 3 && optionalText("idRefreshToken", idRefreshToken) === undefined) {
        throw unauthorised("idRefreshToken missing");
      }
      return this.#check(accessToken, check, antiCsrfToken);
    });
  }

  async refreshSession(refreshToken) {
    return this.#traced("refreshSession", async () => {
      text("refreshToken", refreshToken);
      return answers.issued(await this.#backend.refresh(refreshToken));
    });
  }

  async revokeAllSessionsForUser(userId) {
    return this.#traced("revokeAllSessionsForUser", () => {
      unicode("userId", userId);
      return this.#backend.revokeUser(userId);
    });
  }

  async getAllSessionHandlesForUser(userId) {
    return this.#traced("getAllSessionHandlesForUser", () => {
      unicode("userId", userId);
      return this.#backend.handlesOfUser(userId);
    });
  }

  async revokeSessionUsingSessionHandle(sessionHandle) {
    return this.#traced("revokeSessionUsingSessionHandle", () => {
      text("sessionHandle", sessionHandle);
      return this.#backend.revoke(sessionHandle);
    });
  }

  async getSessionData(sessionHandle) {
    return this.#traced("getSessionData", async () => {
      text("sessionHandle", sessionHandle);
      return (await this.#backend.data(sessionHandle)).data;
    });
  }

  async updateSessionData(sessionHandle, newSessionData) {
    await this.#traced("updateSessionData", () => {
      text("sessionHandle", sessionHandle);
      return this.#backend.writeData(sessionHandle, jsonObject("newSessionData", newSessionData));
    });
  }

  /** The session's data with their version. */
  async readSessionData(sessionHandle) {
    return this.#traced("readSessionData", () => {
      this.#versioned("readSessionData");
      text("sessionHandle", sessionHandle);
      return this.#backend.data(sessionHandle);
    });
  }

  /** Overwrites the session's data if nobody else has since the version `expectedVersion` was read. */
  async writeSessionData(sessionHandle, newSessionData, given) {
    return this.#traced("writeSessionData", () => {
      this.#versioned("writeSessionData");
      text("sessionHandle", sessionHandle);
      const data = jsonObject("newSessionData", newSessionData);
      const { expectedVersion } = options("options", given);
      if (expectedVersion !== undefined && !(Number.isSafeInteger(expectedVersion) && expectedVersion > 0)) {
        throw invalid("expectedVersion", `must be a version that was read, and is ${kindOf(expectedVersion)}`);
      }
      return this.#backend.writeData(sessionHandle, data, expectedVersion);
    });
  }

  /** How cookies are to be, for those who set them. */
  async cookies() {
    this.#open();
    const cookies = await this.#backend.cookies();
    // Browsers drop a cookie that is for all sites but not for https only.
    return { ...cookies, sameSite: this.#sameSite ?? (cookies.secure ? "none" : "lax") };
  }

  #check(accessToken, check, antiCsrf) {
    // What is not compared makes no difference.
    const compared = check && this.#backend.enableAntiCsrf ? (antiCsrf ?? "") : undefined;
    const known = this.#backend.cachesVerified ? this.#verified.get(accessToken, compared) : undefined;
    if (known !== undefined) return { session: known };
    const keep = ({ session, expiry, accessToken: replacement }) => {
      if (replacement !== undefined && replacement !== null) return { session, accessToken: answers.cookieToken(replacement) };
      // 0 where more than the signature was asked.
      if (this.#backend.cachesVerified && expiry > 0) this.#verified.put(accessToken, compared, session, expiry);
      return { session };
    };
    const checked = this.#backend.verify(accessToken, check, antiCsrf);
    return checked instanceof Promise ? checked.then(keep) : keep(checked);
  }

  #traced(operation, action) {
    const result = trace(operation, this.#backend.kind, () => {
      this.#open();
      return action();
    });
    if (result instanceof Promise) {
      const done = () => this.#pending.delete(result);
      this.#pending.add(result);
      result.then(done, done);
    }
    return result;
  }

  #open() {
    if (this.#closing !== undefined) throw general("CLOSED", "close() was called; init() has to be called again before this");
  }

  #versioned(name) {
    if (!this.#backend.canVersion) {
      throw general("NOT_SUPPORTED", `${name} needs the engine in this process: core protocol 1.0 knows no versions of session data`);
    }
  }
}

if (Symbol.asyncDispose !== undefined) {
  Sessions.prototype[Symbol.asyncDispose] = function dispose() {
    return this.close();
  };
}

module.exports = { Sessions };
