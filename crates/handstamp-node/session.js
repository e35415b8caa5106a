"use strict";
// Sessions without a web framework.
const { close, init, ready, sessions } = require("./lib/default.js");
const { AuthError } = require("./lib/errors.js");
const { Sessions } = require("./lib/sessions.js");

exports.init = init;
exports.ready = ready;
exports.close = close;
exports.Error = AuthError;
exports.Sessions = Sessions;

// Each asks for the sessions when it is called, as `init` may come later, or again after `close`; and none of them throws: what goes
// wrong is told by the promise.
exports.createNewSession = async (...args) => sessions().createNewSession(...args);
exports.getSession = async (...args) => sessions().getSession(...args);
exports.refreshSession = async (...args) => sessions().refreshSession(...args);
exports.revokeAllSessionsForUser = async (...args) => sessions().revokeAllSessionsForUser(...args);
exports.getAllSessionHandlesForUser = async (...args) => sessions().getAllSessionHandlesForUser(...args);
exports.revokeSessionUsingSessionHandle = async (...args) => sessions().revokeSessionUsingSessionHandle(...args);
exports.getSessionData = async (...args) => sessions().getSessionData(...args);
exports.updateSessionData = async (...args) => sessions().updateSessionData(...args);
exports.readSessionData = async (...args) => sessions().readSessionData(...args);
exports.writeSessionData = async (...args) => sessions().writeSessionData(...args);
