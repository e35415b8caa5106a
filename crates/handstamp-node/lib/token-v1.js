"use strict";
// Access tokens of protocol 1.0, checked by the server's public key without asking the server.
const { verify } = require("node:crypto");

/** Compared as it is: what a token says of itself does not choose how it is checked. */
const HEADER = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=";
const LONGEST = 65536;

/** What the token says, if `key` signed it and it is still good; otherwise `undefined`, and the server has to say more. */
function open(token, key, now) {
  if (token.length > LONGEST) return undefined;
  const [header, payload, signature, ...rest] = token.split(".");
  if (header !== HEADER || signature === undefined || rest.length > 0) return undefined;
  const signed = Buffer.from(signature, "base64");
  // Node.js skips what is no Base64; a token has one spelling.
  if (signed.toString("base64") !== signature) return undefined;
  if (!verify("RSA-SHA256", Buffer.from(`${header}.${payload}`), key, signed)) return undefined;
  let claims;
  try {
    claims = JSON.parse(Buffer.from(payload, "base64").toString());
  } catch {
    return undefined;
  }
  const { sessionHandle, userId, refreshTokenHash1, userData, expiryTime, timeCreated } = claims ?? {};
  const texts = [sessionHandle, userId, refreshTokenHash1];
  const complete =
    texts.every((text) => typeof text === "string") &&
    [expiryTime, timeCreated].every((time) => typeof time === "number") &&
    typeof userData === "object" &&
    userData !== null;
  return complete && expiryTime >= now ? claims : undefined;
}

module.exports = { open };
