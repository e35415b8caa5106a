"use strict";
// The sessions that `init` sets up: one for the process, or for the worker thread.
const { isDeepStrictEqual } = require("node:util");
const { general, invalid } = require("./errors.js");
const { Sessions } = require("./sessions.js");
const { read } = require("./settings.js");
const { kindOf } = require("./values.js");

let current;
let understood;

/** Says where sessions are kept. The database or the server is asked in the background; what goes wrong is told to requests. */
function init(options) {
  const settings = read(options);
  if (current !== undefined && !current.isClosed) {
    // Each part of an application may call it, as long as they agree: the same settings, and the same defaults.
    if (isDeepStrictEqual(settings, understood)) return;
    throw general("ALREADY_INITIALISED", "init() was called before with something else; call close() first");
  }
  current = new Sessions(options);
  understood = settings;
  // What went wrong is tried again by the first request, and told to it.
  current.ready().catch(() => {});
}

/** The sessions that are set up, for whoever asks for them. */
function sessions() {
  if (current === undefined) throw general("NOT_INITIALISED", "init() has to be called before this");
  return current;
}

/** The application's own, for whoever asks for them. */
function always(own) {
  if (!(own instanceof Sessions)) throw invalid("sessions", `must be made by new Sessions(..), and is ${kindOf(own)}`);
  return () => own;
}

/** Finishes what is under way and lets the database go. Without `init` before, there is nothing to do. */
async function close() {
  await current?.close();
}

async function ready() {
  await sessions().ready();
}

module.exports = { init, sessions, always, close, ready };
