"use strict";
// One request over HTTP, which knows whether there ever was a connection: without one, the request has surely not arrived.
const http = require("node:http");
const { text } = require("node:stream/consumers");

/** Nobody was there to send the request to. */
class NotReached extends Error {}

/**
 * Sends a request; answers status and text. Fails with `NotReached` where no connection was made, and calls `connected` as soon as
 * there is one. `signal` ends it; `connectTimeout` bounds the one, `timeout` the whole.
 */
function exchange(url, { method, headers, body, agent, signal, timeout, connectTimeout, connected }) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent, signal });
    let isConnected = false;
    const fail = (error) => {
      settle();
      reject(isConnected ? error : new NotReached(`nobody is there at ${new URL(url).host}: ${reasonOf(error)}`, { cause: error }));
      request.destroy();
    };
    const deadline = setTimeout(() => fail(new Error(`no answer within ${timeout} ms`)), timeout);
    const patience = setTimeout(() => {
      // A connection that was made while this process was busy is heard of first.
      setImmediate(() => isConnected || fail(new Error(`no connection within ${connectTimeout} ms`)));
    }, connectTimeout);
    const settle = () => [deadline, patience].forEach(clearTimeout);
    const reach = () => {
      isConnected = true;
      clearTimeout(patience);
      connected();
    };
    // Pending as well is one that has failed at once.
    request.on("socket", (socket) => (socket.pending ? socket.once("connect", reach) : reach()));
    // What comes after the end has no hearers any more, and may come.
    request.on("error", fail);
    request.on("response", (response) => {
      text(response).then((read) => {
        settle();
        resolve({ status: response.statusCode, text: read });
      }, fail);
    });
    request.end(body);
  });
}

/** A name that stands for several addresses fails with what each of them failed with. */
function reasonOf(error) {
  return (error.errors?.map(({ message }) => message) ?? [error.message]).join("; ");
}

module.exports = { exchange, NotReached };
