"use strict";
// What is thrown, and what a caller asks about it.

/** Several copies of this package in one process know each other's errors by it. */
const BRAND = Symbol.for("handstamp.AuthError");

const GENERAL_ERROR = 1000;
const UNAUTHORISED = 2000;
const TRY_REFRESH_TOKEN = 3000;
const TOKEN_THEFT_DETECTED = 4000;

/**
 * What every function of this package fails with. `err` is the reason; `code` names it for programs; `outcomeUnknown` tells whether
 * something may have been written all the same.
 */
class AuthError extends Error {
  constructor(errType, err, code, { cause, outcomeUnknown = false } = {}) {
    const under = err instanceof Error ? err : cause;
    super(err.message ?? code, under === undefined ? undefined : { cause: under });
    this.name = "AuthError";
    this.errType = errType;
    this.err = err;
    this.code = code;
    this.outcomeUnknown = outcomeUnknown;
  }

  static isErrorFromAuth(err) {
    return typeof err === "object" && err !== null && err[BRAND] === true;
  }
}

Object.assign(AuthError, { GENERAL_ERROR, UNAUTHORISED, TRY_REFRESH_TOKEN, TOKEN_THEFT_DETECTED });
Object.defineProperty(AuthError.prototype, BRAND, { value: true });

/** An argument that cannot be: which, why, and where in it. Never what it was. */
class InvalidArgument extends TypeError {
  constructor(argument, why, path) {
    super(`${argument} ${why}`);
    this.name = "InvalidArgument";
    this.code = "INVALID_ARGUMENT";
    this.argument = argument;
    this.path = path;
    this.reason = why;
  }
}

function invalid(argument, why, path = "") {
  const error = new AuthError(GENERAL_ERROR, new InvalidArgument(argument, why, path), "INVALID_ARGUMENT");
  return Object.assign(error, { argument, path });
}

/** Nothing is said about the session: something that this depends on failed, or was not ready. */
function general(code, message, cause, { outcomeUnknown = false } = {}) {
  const err = new Error(message, cause === undefined ? undefined : { cause });
  err.code = code;
  return new AuthError(GENERAL_ERROR, err, code, { outcomeUnknown });
}

function unauthorised(message) {
  return new AuthError(UNAUTHORISED, new Error(message), "UNAUTHORISED");
}

function tryRefreshToken(message) {
  return new AuthError(TRY_REFRESH_TOKEN, new Error(message), "TRY_REFRESH_TOKEN");
}

/** `cause` is what ending the session has failed with, if it has. */
function tokenTheftDetected(sessionHandle, userId, cause) {
  return new AuthError(TOKEN_THEFT_DETECTED, { sessionHandle, userId }, "TOKEN_THEFT_DETECTED", { cause });
}

/** Whether cookies of a session are of no use any more after this error. */
function endsSession(error) {
  return AuthError.isErrorFromAuth(error) && (error.errType === UNAUTHORISED || error.errType === TOKEN_THEFT_DETECTED);
}

module.exports = { AuthError, invalid, general, unauthorised, tryRefreshToken, tokenTheftDetected, endsSession };
