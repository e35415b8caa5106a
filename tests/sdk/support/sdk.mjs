// supertokens-node 1.0.1, and what tests say about the errors it throws. The package keeps its state in globals, so each test
// file, which node runs in a process of its own, has one SDK with one list of hosts.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The functions that need no web framework. */
export const sdk = require("supertokens-node/session");
/** The functions for Express. */
export const expressSdk = require("supertokens-node");
export const express = require("express");

const { GENERAL_ERROR, UNAUTHORISED, TRY_REFRESH_TOKEN, TOKEN_THEFT_DETECTED } = sdk.Error;
const NAMES = new Map(
  Object.entries({ GENERAL_ERROR, UNAUTHORISED, TRY_REFRESH_TOKEN, TOKEN_THEFT_DETECTED }).map(([name, type]) => [type, name]),
);

/** Waits for `promise` to fail with the SDK's error of that name; answers what the error carries. */
export async function failsWith(name, promise) {
  let outcome;
  try {
    outcome = { returned: await promise };
  } catch (thrown) {
    outcome = { thrown };
  }
  assert.ok("thrown" in outcome, `expected ${name}, but the call returned ${JSON.stringify(outcome.returned)}`);
  const { thrown } = outcome;
  assert.ok(sdk.Error.isErrorFromAuth(thrown), `expected ${name}, but this was thrown: ${thrown?.stack ?? thrown}`);
  assert.equal(NAMES.get(thrown.errType), name, `with: ${thrown.err?.message ?? JSON.stringify(thrown.err)}`);
  return thrown.err;
}

/** Checks an access token with its session's other tokens, as a backend does for a signed-in request. */
export function check({ accessToken, antiCsrfToken, idRefreshToken }, doAntiCsrfCheck = true) {
  return sdk.getSession(accessToken.token, antiCsrfToken, doAntiCsrfCheck, idRefreshToken.token);
}

/** The tokens a client holds after `answer`: a check may bring a new access token, a refresh brings all of them. */
export function holding(tokens, answer) {
  const { accessToken, refreshToken, idRefreshToken, antiCsrfToken } = { ...tokens, ...answer };
  return { accessToken, refreshToken, idRefreshToken, antiCsrfToken };
}
