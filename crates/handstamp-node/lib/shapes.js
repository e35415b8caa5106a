"use strict";
// The server's answers to each request: by their states, what each of them has to have. What has less is none of core protocol 1.0.

const isText = (value) => typeof value === "string";
const isFlag = (value) => typeof value === "boolean";
const isNumber = (value) => typeof value === "number";
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isTime = (value) => isNumber(value) && !Number.isNaN(new Date(value).valueOf());
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isTexts = (value) => Array.isArray(value) && value.every(isText);

const optional = (is) => (value) => value === undefined || is(value);
const all = (members) => (value) => isObject(value) && Object.entries(members).every(([name, is]) => is(value[name]));

const session = { handle: isText, userId: isText };
const token = { token: isText, expiry: isTime, createdTime: isTime };
const cookieToken = all({ ...token, cookiePath: isText, cookieSecure: isFlag, domain: optional(isText) });
// The server may say that it never ends, by more than there are dates for.
const key = { jwtSigningPublicKey: isText, jwtSigningPublicKeyExpiryTime: isNumber };
const sessionInfo = all({ ...session, userDataInJWT: isObject });

const issued = {
  session: sessionInfo,
  accessToken: cookieToken,
  refreshToken: cookieToken,
  idRefreshToken: all(token),
  antiCsrfToken: optional(isText),
};

const refused = all({ message: optional(isText) });

module.exports = {
  handshake: {
    OK: all({
      ...key,
      cookieDomain: optional(isText),
      cookieSecure: isFlag,
      accessTokenPath: isText,
      refreshTokenPath: isText,
      enableAntiCsrf: isFlag,
      accessTokenBlacklistingEnabled: isFlag,
    }),
  },
  created: { OK: all({ ...issued, ...key }) },
  verified: {
    OK: all({ ...key, session: sessionInfo, accessToken: optional(cookieToken) }),
    TRY_REFRESH_TOKEN: refused,
    UNAUTHORISED: refused,
  },
  refreshed: { OK: all(issued), TOKEN_THEFT_DETECTED: all({ session: all(session) }), UNAUTHORISED: refused },
  revoked: { OK: all({ numberOfSessionsRevoked: isCount }) },
  handles: { OK: all({ sessionHandles: isTexts }) },
  data: { OK: all({ userDataInDatabase: isObject }), UNAUTHORISED: refused },
  written: { OK: isObject, UNAUTHORISED: refused },
};
