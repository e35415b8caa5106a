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

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"];

function trace(operation, backend, action) {
  const channel = channelOf(operation);
  if (!EVENTS.some((event) => channel[event].hasSubscribers)) return action();
  let result;
  // The channel hands the result to its listeners, so it is not given one.
  const quiet = async () => {
    result = await action();
  };
  return channel.tracePromise(quiet, { operation, backend }).then(() => result);
}

/** What failed although nobody asked for it: there is nobody else to tell. */
function traceFailure(operation, backend, error) {
  channelOf(operation).error.publish({ operation, backend, error });
}

module.exports = { trace, traceFailure };
