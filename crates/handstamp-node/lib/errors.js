"use strict";
// What is thrown, and what a caller asks about it.

/** Several copies of this package in one process know each other's errors by it. */
const BRAND = Symbol.for("handstamp.AuthError");

const GENERAL_ERROR = 1000;
const UNAUTHORISED = 2000;
const TRY_REFRESH_TOKEN = 3000;
const TOKEN_THEFT_DETECTED = 4000;

/** What every function of this package fails with. `err` is the reason; `code` names it for programs. */
class AuthError extends Error {
  constructor(errType, err, code) {
    super(err.message ?? code, err instanceof Error ? { cause: err } : undefined);
    this.name = "AuthError";
    this.errType = errType;
    this.err = err;
    this.code = code;
  }

  static isErrorFromAuth(err) {
    return typeof err === "object" && err !== null && err[BRAND] === true;
  }
}

Object.assign(AuthError, { GENERAL_ERROR, UNAUTHORISED, TRY_REFRESH_TOKEN, TOKEN_THEFT_DETECTED });
Object.defineProperty(AuthError.prototype, BRAND, { value: true });

/** An argument that cannot be: which, and why. Never what it was. */
class InvalidArgument extends TypeError {
  constructor(argument, why) {
    super(`${argument} ${why}`);
    this.name = "InvalidArgument";
    this.code = "INVALID_ARGUMENT";
    this.argument = argument;
    this.reason = why;
  }
}

function invalid(argument, why) {
  return new AuthError(GENERAL_ERROR, new InvalidArgument(argument, why), "INVALID_ARGUMENT");
}

/** Nothing is said about the session: something that this depends on failed, or was not ready. */
function general(code, message, cause) {
  const err = new Error(message, cause === undefined ? undefined : { cause });
  err.code = code;
  return new AuthError(GENERAL_ERROR, err, code);
}

function unauthorised(message) {
  return new AuthError(UNAUTHORISED, new Error(message), "UNAUTHORISED");
}

function tryRefreshToken(message) {
  return new AuthError(TRY_REFRESH_TOKEN, new Error(message), "TRY_REFRESH_TOKEN");
}

function tokenTheftDetected(sessionHandle, userId) {
  return new AuthError(TOKEN_THEFT_DETECTED, { sessionHandle, userId }, "TOKEN_THEFT_DETECTED");
}

/** Whether cookies of a session are of no use any more after this error. */
function endsSession(error) {
  return AuthError.isErrorFromAuth(error) && (error.errType === UNAUTHORISED || error.errType === TOKEN_THEFT_DETECTED);
}

module.exports = { AuthError, invalid, general, unauthorised, tryRefreshToken, tokenTheftDetected, endsSession };
