"use strict";
// Access tokens that were verified a moment ago. A signature that was good stays good, so nothing but time can make the answer
// wrong: what an access token says holds until it runs out, here as everywhere. It is not asked where every verification is to
// look into the database.

class VerifiedTokens {
  #limit;
  #entries = new Map();

  constructor(limit) {
    this.#limit = limit;
  }

  /** The session of a token that was verified with the same anti-CSRF token, if it was to be checked. */
  get(token, antiCsrf) {
    const key = antiCsrf === undefined ? token : `${token}\n${antiCsrf}`;
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
    this.#entries.set(antiCsrf === undefined ? token : `${token}\n${antiCsrf}`, { session, expiry });
  }

  clear() {
    this.#entries.clear();
  }

  get size() {
    return this.#entries.size;
  }
}

module.exports = { VerifiedTokens };
