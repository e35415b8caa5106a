"use strict";
// What is handed to the application, in the form of the documented API: with both names where its documentation had two.
const { freeze } = require("./values.js");

/** `userDataInJWT` and `jwtPayload` are one object, and nobody can change it. */
function session(handle, userId, payload) {
  freeze(payload);
  return Object.freeze({ handle, sessionHandle: handle, userId, userDataInJWT: payload, jwtPayload: payload });
}

function cookieToken({ token, expiry, createdTime, cookiePath, cookieSecure, domain }) {
  return { token, value: token, expiry, createdTime, cookiePath, path: cookiePath, cookieSecure, domain };
}

function plainToken({ token, expiry, createdTime }) {
  return { token, value: token, expiry, createdTime };
}

/** All that a client gets at creation and at each refresh. */
function issued({ session, accessToken, refreshToken, idRefreshToken, antiCsrfToken }) {
  return {
    session,
    accessToken: cookieToken(accessToken),
    refreshToken: cookieToken(refreshToken),
    idRefreshToken: plainToken(idRefreshToken),
    antiCsrfToken,
  };
}

module.exports = { session, cookieToken, issued };
