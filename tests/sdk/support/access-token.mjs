// Access tokens of all formats, read as anybody can who holds one.
import { createPublicKey, verify } from "node:crypto";

/** Takes apart a token as it stands in a cookie or a header. */
export function readToken(text) {
  const [header, payload, signature] = decodeURIComponent(text).split(".");
  // Both alphabets of Base64 are read.
  const json = (part) => JSON.parse(Buffer.from(part, "base64").toString());
  const body = json(payload);
  return {
    header: json(header),
    payload: body,
    /** Milliseconds; the older formats have them, the newer ones seconds. */
    expiry: body.expiryTime ?? body.exp * 1000,
    signedBy: (jwk) => {
      const key = createPublicKey({ key: jwk, format: "jwk" });
      const algorithm = jwk.kty === "OKP" ? null : "sha256";
      const signed = Buffer.from(`${header}.${payload}`);
      return verify(algorithm, signed, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64"));
    },
  };
}
