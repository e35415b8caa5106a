"use strict";
// Access tokens whose signature alone was asked a moment ago. A signature that was good stays good, so nothing but time can make
// the answer wrong. Answers for which a database or a server was asked are not kept: they would be others once the session has
// ended.

/** One text for both, and no other two have it. What is not compared is `undefined`. */
const keyOf = (token, antiCsrf) => (antiCsrf === undefined ? `-${token}` : `${token.length}:${token}${antiCsrf}`);

class VerifiedTokens {
  #limit;
  #entries = new Map();
  /** The keys, so that one can be picked by chance. */
  #keys = [];

  constructor(limit) {
    this.#limit = limit;
  }

  /** The session of a token that was verified with the same anti-CSRF token, if it was to be checked. */
  get(token, antiCsrf) {
    const key = keyOf(token, antiCsrf);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // What is over makes room when another needs it.
    return entry.expiry >= Date.now() ? entry.session : undefined;
  }

  put(token, antiCsrf, session, expiry) {
    if (this.#limit === 0) return;
    const key = keyOf(token, antiCsrf);
    if (!this.#entries.has(key)) {
      // One by chance goes: were it the oldest, tokens in turn, one more than there is room for, would never be found again.
      const slot = this.#keys.length < this.#limit ? this.#keys.length : Math.floor(Math.random() * this.#limit);
      if (slot < this.#keys.length) this.#entries.delete(this.#keys[slot]);
      this.#keys[slot] = key;
    }
    this.#entries.set(key, { session, expiry });
  }

  clear() {
    this.#entries.clear();
    this.#keys = [];
  }

  get size() {
    return this.#entries.size;
  }
}

module.exports = { VerifiedTokens };
