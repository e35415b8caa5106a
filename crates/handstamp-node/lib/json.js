"use strict";
// Payloads and data that come from the application, as JSON: what JSON would lose or change without a word is refused.
const { types } = require("node:util");
const { AuthError, invalid } = require("./errors.js");
const { kindOf } = require("./values.js");

/** What keeps what it is where JSON does not look, whatever else it may have as members. */
const HIDES = [
  ArrayBuffer.isView,
  types.isAnyArrayBuffer,
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isRegExp,
  types.isPromise,
  types.isNativeError,
  types.isGeneratorObject,
  types.isSymbolObject,
  types.isBigIntObject,
];

/** What JSON looks into, or writes as what it wraps. */
const OPEN = new Set(["Object", "Array", "Arguments", "Boolean", "Number", "String"]);

/** What JSON has no form for, by its name; `undefined` if it has one. A class of the application is its members. */
function lostIn(value) {
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (HIDES.some((hides) => hides(value))) return tag;
  if (OPEN.has(tag)) return undefined;
  // What else the platform has, such as URLSearchParams, keeps what it is elsewhere.
  const known = globalThis[tag];
  const isPlatforms = typeof known === "function" && value instanceof known;
  return isPlatforms || Object.keys(value).length === 0 ? tag : undefined;
}

/** Where in the value JSON is: the objects around the member, outermost first, and their names. */
class Place {
  #around = [];

  /** Says that the member of that name is read, of `holder`. */
  enter(holder, name, member) {
    while (this.#around.length > 0 && this.#around.at(-1).member !== holder) this.#around.pop();
    this.#around.push({ isListed: Array.isArray(holder), name, member });
  }

  /** Such as `list[1].big`; empty for the value itself. */
  get path() {
    // The outermost is the value, and has no name.
    return this.#around.slice(1).reduce((path, { isListed, name }) => {
      if (isListed) return `${path}[${name}]`;
      return path === "" ? name : `${path}.${name}`;
    }, "");
  }
}

/** Whether it is more than an object or an array as JSON has them, also of another realm. What wraps a value is that value. */
function isOfAClass(value) {
  if (Array.isArray(value) || types.isBoxedPrimitive(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

/** Why a member cannot be, if it cannot. */
function fault(name, member) {
  if (name === "__proto__") return "is a name that must not be";
  if (!name.isWellFormed()) return "has half of a surrogate pair in its name";
  if (typeof member === "string" || types.isStringObject(member)) {
    return String(member).isWellFormed() ? undefined : "has half of a surrogate pair";
  }
  if (["bigint", "function", "symbol"].includes(typeof member)) return `is a ${typeof member}`;
  if (typeof member !== "object" || member === null) return undefined;
  const lost = lostIn(member);
  if (lost !== undefined) return `has the type ${lost}, which JSON cannot say`;
  const names = Object.keys(member);
  // The indexes come first.
  if (Array.isArray(member) && names.length > 0 && !/^\d+$/.test(names.at(-1))) return "is an array that has members with names";
  if (Object.getOwnPropertySymbols(member).some((symbol) => Object.prototype.propertyIsEnumerable.call(member, symbol))) {
    return "has a member that is named by a symbol";
  }
  return names.length === 0 && isOfAClass(member) ? "has no members that JSON sees" : undefined;
}

/** What `JSON.stringify` itself fails with: cycles, depth, length, and what the application's own `toJSON` throws. */
function reasonOf(error) {
  if (error instanceof TypeError && /circular/i.test(error.message)) return "cannot be written as JSON: it contains itself";
  if (error instanceof RangeError && /call stack/i.test(error.message)) return "nests too deep";
  if (error instanceof RangeError && /string length/i.test(error.message)) return "must be smaller";
  return "cannot be written as JSON";
}

/**
 * The JSON text of an object. Left as JSON has it is what says how it is written (`toJSON`, as dates do), `undefined`, and numbers
 * that are none.
 */
function jsonObject(argument, value) {
  const kind = kindOf(value);
  if (kind !== "object") throw invalid(argument, `must be an object, and is ${kind}`);
  const place = new Place();
  let written;
  try {
    written = JSON.stringify(value, function replace(name, member) {
      place.enter(this, name, member);
      const why = fault(name, member);
      if (why !== undefined) {
        const path = place.path.toWellFormed();
        throw invalid(argument, `must be JSON, and ${path || "it"} ${why}`, path);
      }
      return member;
    });
  } catch (error) {
    throw AuthError.isErrorFromAuth(error) ? error : invalid(argument, reasonOf(error));
  }
  if (written === undefined || written[0] !== "{") throw invalid(argument, "must be an object, and its toJSON makes something else");
  return written;
}

module.exports = { jsonObject };
