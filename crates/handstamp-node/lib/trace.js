"use strict";
// One tracing channel for each function, `tracing:handstamp.getSession:start` and so on: what OpenTelemetry and others listen to.
// Listeners get to know which function ran, on which backend, and why it failed: no tokens, no data. What the engine does by itself
// is heard of where it fails.
const { tracingChannel } = require("node:diagnostics_channel");

const channels = new Map();

function channelOf(operation) {
  let channel = channels.get(operation);
  if (channel === undefined) channels.set(operation, (channel = tracingChannel(`handstamp.${operation}`)));
  return channel;
}

/** The failures that listeners know of. */
const heard = new WeakSet();

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];

function trace(operation, backend, action) {
  const channel = channelOf(operation);
  if (!EVENTS.some((event) => channel[event].hasSubscribers)) return action();
  let result;
  // The channel hands the result to its listeners, so it is not given one.
  const quiet = async () => {
    try {
      result = await action();
    } catch (error) {
      if (typeof error === "object" && error !== null) heard.add(error);
      throw error;
    }
  };
  return channel.tracePromise(quiet, { operation, backend }).then(() => result);
}

/** Does something around a function that is heard of; what fails outside of that is heard of, too, and nothing twice. */
async function traceAround(operation, backend, action) {
  try {
    return await action();
  } catch (error) {
    if (!heard.has(error)) traceFailure(operation, backend(), error);
    throw error;
  }
}

/** What failed although nobody asked for it: there is nobody else to tell. */
function traceFailure(operation, backend, error) {
  channelOf(operation).error.publish({ operation, backend, error });
}

module.exports = { trace, traceAround, traceFailure };
