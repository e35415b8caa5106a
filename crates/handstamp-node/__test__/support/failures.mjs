// What tests say about errors.
import assert from "node:assert/strict";

import { Error as HandstampError } from "../../session.mjs";

const NAMES = ["GENERAL_ERROR", "UNAUTHORISED", "TRY_REFRESH_TOKEN", "TOKEN_THEFT_DETECTED"];

/** Waits for `promise` to fail with the error of that name; answers the error. */
export async function failsWith(name, promise, Error = HandstampError) {
  let outcome;
  try {
    outcome = { returned: await promise };
  } catch (thrown) {
    outcome = { thrown };
  }
  assert.ok("thrown" in outcome, `expected ${name}, but the call returned ${JSON.stringify(outcome.returned)}`);
  const { thrown } = outcome;
  assert.ok(Error.isErrorFromAuth(thrown), `expected ${name}, but this was thrown: ${thrown?.stack ?? thrown}`);
  const got = NAMES.find((one) => Error[one] === thrown.errType);
  assert.equal(got, name, `with: ${thrown.err?.message ?? JSON.stringify(thrown.err)}`);
  return thrown;
}

/** The same for an argument that cannot be: says which, why, and where in it. */
export async function refuses(argument, why, promise) {
  const error = await failsWith("GENERAL_ERROR", promise);
  const { err, code } = error;
  assert.equal(code, "INVALID_ARGUMENT", err.stack);
  assert.equal(err.argument, argument);
  assert.deepEqual([error.argument, error.path, error.outcomeUnknown], [err.argument, err.path, false]);
  assert.match(err.reason, why);
  assert.equal(err.message, `${argument} ${err.reason}`);
  return err;
}
