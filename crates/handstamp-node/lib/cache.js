"use strict";
// Access tokens whose signature alone was asked a moment ago. A signature that was good stays good, so nothing but time can make
// the answer wrong. Answers for which a database or a server was asked are not kept: they would be others once the session has
// ended.

/** One text for both, and no other two have it. What is not compared is `undefined`. */
const keyOf = (token, antiCsrf) => (antiCsrf === undefined ? `-${token}` : `${token.length}:${token}${antiCsrf}`);

class VerifiedTokens {
  #limit;
  #entries = new Map();

  constructor(limit) {
    this.#limit = limit;
  }

  /** The session of a token that was verified with the same anti-CSRF token, if it was to be checked. */
  get(token, antiCsrf) {
    const key = keyOf(token, antiCsrf);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiry >= Date.now()) return entry.session;
    this.#entries.delete(key);
    return undefined;
  }

  put(token, antiCsrf, session, expiry) {
    if (this.#limit === 0) return;
    // The oldest goes first: tokens live about equally long, so it is the next to run out.
    if (this.#entries.size >= this.#limit) this.#entries.delete(this.#entries.keys().next().value);
    this.#entries.set(keyOf(token, antiCsrf), { session, expiry });
  }

  clear() {
    this.#entries.clear();
  }

  get size() {
    return this.#entries.size;
  }
}

module.exports = { VerifiedTokens };
