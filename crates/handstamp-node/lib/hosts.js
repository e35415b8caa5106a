"use strict";
// Requests to a server that may have several addresses.
const { general } = require("./errors.js");

/** Whether nobody listens there. Only then has the request surely not been carried out, and may go to the next host. */
function isRefused(error) {
  for (let cause = error; cause; cause = cause.cause) {
    if (cause.code === "ECONNREFUSED") return true;
    // A name with several addresses: all of them were tried.
    if (cause.errors?.length > 0) return cause.errors.every(isRefused);
  }
  return false;
}

/** What the server says of a value that cannot be. */
const OF_A_FIELD = /^Field name '(\w+)' is invalid in JSON input(?:: it (.*))?$/;

class Hosts {
  #urls;
  #apiKey;
  #timeout;
  #next = 0;

  constructor({ hosts, apiKey, timeout }) {
    this.#urls = hosts;
    this.#apiKey = apiKey;
    this.#timeout = timeout;
  }

  /** Sends a request to the hosts in turn, until one is there. `body` is JSON text. */
  async send(method, path, body) {
    const headers = { "content-type": "application/json; charset=utf-8" };
    if (this.#apiKey !== undefined) headers["api-key"] = this.#apiKey;
    let refused;
    // Its own turn: others come and go meanwhile.
    const first = this.#next;
    this.#next = (first + 1) % this.#urls.length;
    for (let tried = 0; tried < this.#urls.length; tried++) {
      const url = this.#urls[(first + tried) % this.#urls.length];
      let response;
      let text;
      try {
        response = await fetch(url + path, { method, headers, body, signal: AbortSignal.timeout(this.#timeout) });
        text = await response.text();
      } catch (error) {
        if (!isRefused(error)) throw general("UNAVAILABLE", `the server at ${url} was lost: ${(error.cause ?? error).message}`, error);
        refused = error;
        continue;
      }
      if (response.status !== 200) throw Hosts.#failed(method, path, response.status, text.trim());
      try {
        return JSON.parse(text);
      } catch (error) {
        throw general("REFUSED", `what is at ${url} does not speak core protocol 1.0`, error);
      }
    }
    throw general("UNAVAILABLE", "no server is there to ask", refused);
  }

  static #failed(method, path, status, text) {
    const [asked] = path.split("?");
    const error = general("REFUSED", `the server answered ${method} ${asked} with status code: ${status} and message: ${text}`);
    const [, field, why] = OF_A_FIELD.exec(text) ?? [];
    return Object.assign(error, { status, field, why });
  }
}

module.exports = { Hosts, isRefused };
