"use strict";
// Arguments that come from the application, read strictly; and JSON that goes back to it.
const { invalid } = require("./errors.js");

function kindOf(value) {
  if (value === null) return "null";
  try {
    return Array.isArray(value) ? "an array" : typeof value;
  } catch {
    return "a proxy that was revoked";
  }
}

function text(argument, value) {
  if (typeof value !== "string") throw invalid(argument, `must be a string, and is ${kindOf(value)}`);
  return value;
}

/** A text that is stored: what is not Unicode would come back as something else. */
function unicode(argument, value) {
  if (!text(argument, value).isWellFormed()) throw invalid(argument, "must be Unicode, and has half of a surrogate pair");
  return value;
}

function optionalText(argument, value) {
  return value === undefined ? undefined : text(argument, value);
}

function flag(argument, value) {
  if (typeof value !== "boolean") throw invalid(argument, `must be true or false, and is ${kindOf(value)}`);
  return value;
}

/** What a function's last argument may say; none of it has to be there. */
function options(argument, value) {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(argument, `must be an object, and is ${kindOf(value)}`);
  }
  return value;
}

/** Makes a value that came from JSON unchangeable, at any depth. */
function freeze(value) {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

module.exports = { text, unicode, optionalText, flag, options, freeze, kindOf };
