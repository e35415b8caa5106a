"use strict";
// The cookies and headers of protocol 1.0: what browsers keep, and what frontend SDKs read.
const cookie = require("cookie");

const ACCESS_TOKEN = "sAccessToken";
const REFRESH_TOKEN = "sRefreshToken";
const ID_REFRESH_TOKEN = "sIdRefreshToken";
const ANTI_CSRF_HEADER = "anti-csrf";
const ID_REFRESH_HEADER = "id-refresh-token";
const ALLOWED_HEADERS = [ANTI_CSRF_HEADER, "supertokens-sdk-name", "supertokens-sdk-version"];
const EXPOSE = "Access-Control-Expose-Headers";

/** What a request brought along. `cookies` is what a cookie parser of the framework has made, if one has run. */
function readRequest({ headers, cookies }) {
  const parsed = cookies ?? (headers.cookie === undefined ? {} : cookie.parse(headers.cookie));
  const textOf = (value) => (typeof value === "string" ? value : undefined);
  const antiCsrf = headers[ANTI_CSRF_HEADER];
  return {
    accessToken: textOf(parsed[ACCESS_TOKEN]),
    refreshToken: textOf(parsed[REFRESH_TOKEN]),
    idRefreshToken: textOf(parsed[ID_REFRESH_TOKEN]),
    antiCsrfToken: textOf(Array.isArray(antiCsrf) ? antiCsrf[0] : antiCsrf),
  };
}

/** Which of these settings of cookies no cookie can have, if there is one. */
function unfitForCookies({ cookieDomain, accessTokenPath, refreshTokenPath }) {
  const trials = { cookieDomain: { domain: cookieDomain }, accessTokenPath: { path: accessTokenPath }, refreshTokenPath: { path: refreshTokenPath } };
  return Object.keys(trials).find((name) => {
    try {
      cookie.serialize(ACCESS_TOKEN, "", trials[name]);
      return false;
    } catch {
      return true;
    }
  });
}

/** Adds to a header that is a list, what is not in it yet. */
function addTo(response, name, value) {
  const present = response.get(name);
  const values = present === undefined ? [] : String(present).split(/\s*,\s*/);
  if (!values.includes(value)) response.set(name, [...values, value].join(", "));
}

/** Sets a cookie; one of the same name that this response was to set before is forgotten. */
function setCookie(response, name, value, { domain, secure, sameSite, path, expiry }) {
  const present = response.get("Set-Cookie") ?? [];
  const others = [present].flat().filter((other) => !String(other).startsWith(`${name}=`));
  const attributes = { domain, secure, sameSite, path, httpOnly: true, expires: new Date(expiry) };
  response.set("Set-Cookie", [...others, cookie.serialize(name, value, attributes)]);
}

function setExposed(response, name, value) {
  response.set(name, value);
  addTo(response, EXPOSE, name);
}

function setAccessToken(response, { token, expiry, domain, cookiePath, cookieSecure }, { sameSite }) {
  setCookie(response, ACCESS_TOKEN, token, { domain, secure: cookieSecure, sameSite, path: cookiePath, expiry });
}

/** All that goes to the client at creation and at each refresh. */
function setTokens(response, { accessToken, refreshToken, idRefreshToken, antiCsrfToken }, { sameSite }) {
  const { domain, cookieSecure: secure, cookiePath } = accessToken;
  setAccessToken(response, accessToken, { sameSite });
  setCookie(response, REFRESH_TOKEN, refreshToken.token, {
    domain: refreshToken.domain,
    secure: refreshToken.cookieSecure,
    sameSite,
    path: refreshToken.cookiePath,
    expiry: refreshToken.expiry,
  });
  const { token, expiry } = idRefreshToken;
  setCookie(response, ID_REFRESH_TOKEN, token, { domain, secure, sameSite, path: cookiePath, expiry });
  setExposed(response, ID_REFRESH_HEADER, `${token};${expiry}`);
  if (antiCsrfToken !== undefined) setExposed(response, ANTI_CSRF_HEADER, antiCsrfToken);
}

/** Takes all cookies back, and tells the frontend. */
function clear(response, { domain, secure, sameSite, accessTokenPath, refreshTokenPath }) {
  const gone = { domain, secure, sameSite, expiry: 0 };
  setCookie(response, ACCESS_TOKEN, "", { ...gone, path: accessTokenPath });
  setCookie(response, REFRESH_TOKEN, "", { ...gone, path: refreshTokenPath });
  setCookie(response, ID_REFRESH_TOKEN, "", { ...gone, path: accessTokenPath });
  setExposed(response, ID_REFRESH_HEADER, "remove");
}

/** What a browser has to be told before it sends the frontend SDK's headers to another origin. */
function allowHeaders(response) {
  for (const name of ALLOWED_HEADERS) addTo(response, "Access-Control-Allow-Headers", name);
  response.set("Access-Control-Allow-Credentials", "true");
}

module.exports = { readRequest, unfitForCookies, setTokens, setAccessToken, clear, allowHeaders };
