"use strict";
// Values that come from the application, read strictly; and JSON that goes back to it.
const { AuthError, invalid } = require("./errors.js");

function kindOf(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
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

/** The JSON text of an object. What JSON would leave out or change without a word is refused, but for `undefined` and NaN. */
function jsonObject(argument, value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(argument, `must be an object, and is ${kindOf(value)}`);
  }
  let written;
  try {
    written = JSON.stringify(value, (name, member) => {
      if (name === "__proto__") throw invalid(argument, "must not have a member named __proto__");
      if (!name.isWellFormed()) throw invalid(argument, "must have Unicode names, and one has half of a surrogate pair");
      switch (typeof member) {
        case "string":
          if (!member.isWellFormed()) throw invalid(argument, `must be Unicode, and ${name} has half of a surrogate pair`);
          break;
        case "bigint":
        case "function":
        case "symbol":
          throw invalid(argument, `must be JSON, and ${name} is a ${typeof member}`);
        default:
      }
      return member;
    });
  } catch (error) {
    if (AuthError.isErrorFromAuth(error)) throw error;
    // Cycles, depth, and what the application's own toJSON throws, which may be anything.
    const why = error instanceof RangeError ? "nests too deep" : "cannot be written as JSON";
    const isCycle = error instanceof TypeError && /circular/i.test(error.message);
    throw invalid(argument, isCycle ? `${why}: it contains itself` : why);
  }
  if (written === undefined || written[0] !== "{") throw invalid(argument, "must be an object, and its toJSON makes something else");
  return written;
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

module.exports = { text, unicode, optionalText, flag, jsonObject, options, freeze, kindOf };
