"use strict";
// Sessions with Fastify.
const { always, sessions } = require("./lib/default.js");
const { fastify } = require("./lib/frameworks.js");
const { Session, webFunctions } = require("./lib/web.js");
const session = require("./session.js");

const web = webFunctions(fastify, sessions);

exports.Session = Session;
exports.createNewSession = web.createNewSession;
exports.getSession = web.getSession;
exports.refreshSession = web.refreshSession;
exports.setRelevantHeadersForOptionsAPI = web.setRelevantHeadersForOptionsAPI;

/** The same functions for sessions of their own, beside those of `init`. */
exports.withSessions = (own) => webFunctions(fastify, always(own));

exports.init = session.init;
exports.ready = session.ready;
exports.close = session.close;
exports.Error = session.Error;
exports.Sessions = session.Sessions;
exports.revokeAllSessionsForUser = session.revokeAllSessionsForUser;
exports.getAllSessionHandlesForUser = session.getAllSessionHandlesForUser;
exports.revokeSessionUsingSessionHandle = session.revokeSessionUsingSessionHandle;
exports.getSessionData = session.getSessionData;
exports.updateSessionData = session.updateSessionData;
exports.readSessionData = session.readSessionData;
exports.writeSessionData = session.writeSessionData;
