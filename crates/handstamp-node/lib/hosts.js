"use strict";
// Requests to a server that may have several addresses.
const { Agent } = require("node:http");
const { general } = require("./errors.js");
const { exchange, NotReached } = require("./exchange.js");

/** Milliseconds that a connection nobody uses is kept: less than what servers have for them. */
const IDLE = 4000;

const CLOSED = () => general("CLOSED", "close() was called meanwhile");

/** What the server says of a value that cannot be. */
const OF_A_FIELD = /^Field name '(\w+)' is invalid in JSON input(?:: it (.*))?$/;

/** One of the addresses. */
class Host {
  url;
  #isThere = false;
  #attempt;

  constructor(url) {
    this.url = url;
  }

  /** While it is not known that somebody is there, one request finds out, and those that come meanwhile go by what it finds. */
  async send(path, request) {
    if (this.#attempt !== undefined) {
      const failure = await this.#attempt;
      if (failure !== undefined) throw failure;
    }
    const found = this.#isThere || this.#attempt !== undefined ? () => {} : this.#begin();
    try {
      const connected = () => {
        this.#isThere = true;
        found();
      };
      return await exchange(this.url + path, { ...request, connected });
    } catch (error) {
      if (error instanceof NotReached) this.#isThere = false;
      found(error);
      throw error;
    }
  }

  /** Answers the function that tells those who wait what has come of it. */
  #begin() {
    let tell;
    const attempt = new Promise((resolve) => (tell = resolve));
    this.#attempt = attempt;
    return (failure) => {
      if (this.#attempt === attempt) this.#attempt = undefined;
      tell(failure);
    };
  }
}

class Hosts {
  #hosts;
  #apiKey;
  #limits;
  #agent = new Agent({ keepAlive: true, timeout: IDLE });
  #next = 0;
  #closing = new AbortController();

  constructor({ hosts, apiKey, timeout, connectTimeout }) {
    this.#hosts = hosts.map((url) => new Host(url));
    this.#apiKey = apiKey;
    this.#limits = { timeout, connectTimeout: Math.min(timeout, connectTimeout) };
  }

  /** Sends a request to the hosts in turn, until one is there. `body` is JSON text. */
  async send(method, path, body = "") {
    const headers = { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(body) };
    if (this.#apiKey !== undefined) headers["api-key"] = this.#apiKey;
    const { signal } = this.#closing;
    const request = { method, headers, body, agent: this.#agent, signal, ...this.#limits };
    let missing;
    // Its own turn: others come and go meanwhile.
    const first = this.#next;
    this.#next = (first + 1) % this.#hosts.length;
    for (let tried = 0; tried < this.#hosts.length; tried++) {
      if (signal.aborted) throw CLOSED();
      const host = this.#hosts[(first + tried) % this.#hosts.length];
      let answer;
      try {
        answer = await host.send(path, request);
      } catch (error) {
        if (error instanceof NotReached) {
          missing = error;
          continue;
        }
        const outcomeUnknown = method !== "GET";
        throw general("UNAVAILABLE", `the server at ${host.url} was lost: ${error.message}`, error, { outcomeUnknown });
      }
      return Hosts.#read(host, method, path, answer);
    }
    throw signal.aborted ? CLOSED() : general("UNAVAILABLE", "no server is there to ask", missing);
  }

  /** Leaves what is under way, and asks no other host. Connections that nobody uses need not wait for their end either. */
  close() {
    this.#closing.abort();
    this.#agent.destroy();
  }

  static #read({ url }, method, path, { status, text }) {
    // What was answered well, and by something else, may still have been done.
    const outcomeUnknown = method !== "GET" && (status === 200 || status >= 500);
    if (status === 200) {
      try {
        return JSON.parse(text);
      } catch (error) {
        throw general("REFUSED", `what is at ${url} does not speak core protocol 1.0`, error, { outcomeUnknown });
      }
    }
    const [asked] = path.split("?");
    const said = text.trim();
    const message = `the server answered ${method} ${asked} with status code: ${status} and message: ${said}`;
    const [, field, why] = OF_A_FIELD.exec(said) ?? [];
    throw Object.assign(general("REFUSED", message, undefined, { outcomeUnknown }), { status, field, why });
  }
}

module.exports = { Hosts };
