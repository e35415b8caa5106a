"use strict";
// A server elsewhere, asked in core protocol 1.0.
const { createPublicKey, timingSafeEqual } = require("node:crypto");
const answers = require("./answers.js");
const { unfitForCookies } = require("./cookies.js");
const { general, invalid, tokenTheftDetected, tryRefreshToken, unauthorised } = require("./errors.js");
const { Hosts } = require("./hosts.js");
const shapes = require("./shapes.js");
const { open } = require("./token-v1.js");

/** As much as the server reads of an access token's request, and more than any takes. */
const LONGEST = 131_072;

const same = (a, b) => {
  const [one, two] = [Buffer.from(a), Buffer.from(b)];
  return one.length === two.length && timingSafeEqual(one, two);
};

/** No token or handle has half of a surrogate pair, and none has what takes its place either. */
const json = (value) => JSON.stringify(value, (_, member) => (typeof member === "string" ? member.toWellFormed() : member));

const viewOf = ({ handle, userId, userDataInJWT }) => answers.session(handle, userId, userDataInJWT);

const NOT_SPOKEN = "the server's answer is not one of core protocol 1.0";

const issued = (answer) => ({ ...answer, session: viewOf(answer.session) });

class Remote {
  kind = "server";
  canVersion = false;
  #hosts;
  #onTheft;
  #handshake;
  #key;

  constructor(settings) {
    this.#hosts = new Hosts(settings);
    this.#onTheft = settings.onTheft;
  }

  /** Nothing is checked without the server's word on it before the first handshake. */
  get cachesVerified() {
    return this.#key !== undefined && !this.#key.blacklisting;
  }

  get enableAntiCsrf() {
    return this.#key?.antiCsrf ?? true;
  }

  async open() {
    await this.#shake();
  }

  async close() {
    this.#hosts.close();
  }

  async cookies() {
    const { cookieDomain, cookieSecure, accessTokenPath, refreshTokenPath } = await this.#shake();
    const unfit = unfitForCookies({ cookieDomain, accessTokenPath, refreshTokenPath });
    if (unfit !== undefined) throw general("REFUSED", `the server's ${unfit} cannot be in a cookie`);
    return { domain: cookieDomain, secure: cookieSecure, accessTokenPath, refreshTokenPath };
  }

  async create(userId, jwtPayload, sessionData) {
    // The texts are JSON already, and go in as they are.
    const body = `{"userId":${JSON.stringify(userId)},"userDataInJWT":${jwtPayload},"userDataInDatabase":${sessionData}}`;
    const large = jwtPayload.length > sessionData.length ? "jwtPayload" : "sessionData";
    const names = { userDataInJWT: "jwtPayload", userDataInDatabase: "sessionData", large };
    const answer = await this.#ask("POST", "/session", body, shapes.created, names);
    this.#learn(answer);
    return issued(answer);
  }

  async verify(token, check, antiCsrf) {
    await this.#shake();
    const known = this.#verifyHere(token, check, antiCsrf);
    if (known !== undefined) return known;
    const body = json({ accessToken: token, antiCsrfToken: antiCsrf, doAntiCsrfCheck: check });
    // The server would not even read it.
    if (body.length > LONGEST) throw tryRefreshToken("not an access token");
    const answer = await this.#ask("POST", "/session/verify", body, shapes.verified);
    this.#learn(answer);
    // How long this token is good is not said; it is asked again.
    return { session: viewOf(answer.session), expiry: 0, accessToken: answer.accessToken };
  }

  async refresh(token) {
    const answer = await this.#ask("POST", "/session/refresh", json({ refreshToken: token }), shapes.refreshed);
    if (answer.status === "OK") return issued(answer);
    const { handle, userId } = answer.session;
    // The server leaves that to its clients. A theft is one even if the session could not be ended.
    const failure = this.#onTheft === "revoke" ? await this.revoke(handle).then(() => undefined, (error) => error) : undefined;
    throw tokenTheftDetected(handle, userId, failure);
  }

  async revoke(handle) {
    return (await this.#delete({ sessionHandle: handle })) === 1;
  }

  async revokeUser(userId) {
    return this.#delete({ userId });
  }

  async handlesOfUser(userId) {
    const query = new URLSearchParams({ userId });
    return (await this.#ask("GET", `/session/user?${query}`, undefined, shapes.handles)).sessionHandles;
  }

  async data(handle) {
    const query = new URLSearchParams({ sessionHandle: handle });
    return { data: (await this.#ask("GET", `/session/data?${query}`, undefined, shapes.data)).userDataInDatabase };
  }

  async writeData(handle, data) {
    const body = `{"sessionHandle":${json(handle)},"userDataInDatabase":${data}}`;
    const names = { userDataInDatabase: "newSessionData", large: "newSessionData" };
    await this.#ask("PUT", "/session/data", body, shapes.written, names);
    return { written: true };
  }

  /** What the signature alone says, if the server need not be asked; `undefined` if it does. */
  #verifyHere(token, check, antiCsrf) {
    const { publicKey, expiry, blacklisting, antiCsrf: enabled } = this.#key;
    if (blacklisting || expiry <= Date.now()) return undefined;
    const claims = open(token, publicKey, Date.now());
    // The use of a token that came from a refresh is what the server has to know of.
    if (claims === undefined || claims.parentRefreshTokenHash1 !== undefined) return undefined;
    const { sessionHandle, userId, userData, expiryTime, antiCsrfToken } = claims;
    if (check && enabled && !(antiCsrf !== undefined && antiCsrfToken !== undefined && same(antiCsrf, antiCsrfToken))) {
      throw tryRefreshToken("anti-csrf check failed");
    }
    return { session: answers.session(sessionHandle, userId, userData), expiry: expiryTime };
  }

  async #delete(what) {
    return (await this.#ask("DELETE", "/session", json(what), shapes.revoked)).numberOfSessionsRevoked;
  }

  /**
   * Asks the server; its answer has to have one of these shapes. What it says of a field is said of the argument that `names` has for
   * it.
   */
  async #ask(method, path, body, expected, names = {}) {
    try {
      const answer = await this.#hosts.send(method, path, body);
      const status = answer?.status;
      if (!(Object.hasOwn(expected, status) && expected[status](answer))) {
        throw general("REFUSED", NOT_SPOKEN, undefined, { outcomeUnknown: method !== "GET" });
      }
      if (status === "UNAUTHORISED") throw unauthorised(answer.message);
      if (status === "TRY_REFRESH_TOKEN") throw tryRefreshToken(answer.message);
      return answer;
    } catch (error) {
      const { status, field, why } = error;
      if (status === 400 && field !== undefined) throw invalid(names[field] ?? field, why ?? "must be what the server can store");
      if (status === 413 && names.large !== undefined) throw invalid(names.large, `must be smaller: ${error.message}`);
      throw error;
    }
  }

  /** What the server says once: how cookies are to be, and the key that signs. A failed attempt is made anew by the next. */
  #shake() {
    this.#handshake ??= this.#ask("POST", "/handshake", "{}", shapes.handshake).then(
      (answer) => {
        this.#learn(answer);
        this.#key = { ...this.#key, antiCsrf: answer.enableAntiCsrf, blacklisting: answer.accessTokenBlacklistingEnabled };
        return answer;
      },
      (error) => {
        this.#handshake = undefined;
        // There was nothing to write.
        throw Object.assign(error, { outcomeUnknown: false });
      },
    );
    return this.#handshake;
  }

  /** The server says which key signs whenever it makes or checks an access token. */
  #learn({ jwtSigningPublicKey: text, jwtSigningPublicKeyExpiryTime: expiry }) {
    if (this.#key?.text === text) {
      this.#key.expiry = expiry;
      return;
    }
    let publicKey;
    try {
      publicKey = createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    } catch (error) {
      throw general("REFUSED", NOT_SPOKEN, error);
    }
    this.#key = { ...this.#key, text, publicKey, expiry };
  }
}

module.exports = { Remote };
