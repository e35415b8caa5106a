"use strict";
// Sessions in requests and responses, whatever the framework: `view` makes of its response what can `get` and `set` headers, and
// says whether it is too late for that.
const { allowHeaders, clear, readRequest, setAccessToken, setTokens } = require("./cookies.js");
const { endsSession, general, invalid, tryRefreshToken, unauthorised } = require("./errors.js");
const { traceAround } = require("./trace.js");
const { flag, kindOf } = require("./values.js");

/** The session of a request, or one just made. Its functions know what they belong to, so that they can be handed on alone. */
class Session {
  #view;
  #sessions;
  #info;

  constructor({ view, sessions, info }) {
    this.#view = view;
    this.#sessions = sessions;
    this.#info = info;
  }

  getUserId = () => this.#info.userId;

  getJWTPayload = () => this.#info.userDataInJWT;

  getHandle = () => this.#info.handle;

  getSessionData = () => this.#orClear("getSessionData", () => this.#sessions.getSessionData(this.#info.handle));

  updateSessionData = (newSessionData) => this.#orClear("updateSessionData", () => this.#sessions.updateSessionData(this.#info.handle, newSessionData));

  readSessionData = () => this.#orClear("readSessionData", () => this.#sessions.readSessionData(this.#info.handle));

  writeSessionData = (newSessionData, options) =>
    this.#orClear("writeSessionData", () => this.#sessions.writeSessionData(this.#info.handle, newSessionData, options));

  /** Ends the session, and takes the cookies back if there was something to end. */
  revokeSession = () =>
    this.#heard("revokeSessionUsingSessionHandle", async () => {
      notBegun(this.#view);
      // Before it is done: what fails afterwards would leave the cookies of a session that has ended.
      const cookies = await this.#sessions.cookies();
      const isEnded = await this.#sessions.revokeSessionUsingSessionHandle(this.#info.handle);
      if (isEnded) put(this.#view, () => clear(this.#view, cookies));
    });

  #orClear(operation, action) {
    return this.#heard(operation, () => orClear(this.#sessions, this.#view, action));
  }

  #heard(operation, action) {
    return traceAround(operation, () => this.#sessions.kind, action);
  }
}

/** Cookies go before all else. */
function notBegun(view, details) {
  if (view.isBegun()) throw general("RESPONSE_BEGUN", "the response was already begun, and takes no cookies any more", undefined, details);
}

/** Sets what belongs to something that was done. The response may have been begun since it was looked at: that is told as well. */
function put(view, set) {
  notBegun(view, { outcomeUnknown: true });
  set();
}

/** Does it; takes the cookies back if that shows that they are of no use any more. `action` is told how cookies are to be. */
async function orClear(sessions, view, action) {
  // Before it is done: what fails afterwards would leave tokens that nobody gets.
  const cookies = await sessions.cookies();
  try {
    return await action(cookies);
  } catch (error) {
    if (endsSession(error) && !view.isBegun()) clear(view, cookies);
    throw error;
  }
}

/** The functions for one framework. `sessions` says whose sessions are meant. */
function webFunctions({ readOf, viewOf }, sessions) {
  const view = (response) => {
    let to;
    try {
      to = viewOf(response);
    } catch {
      throw invalid("res", `must be a response of this framework, and is ${kindOf(response)}`);
    }
    // Before anything is done that the client would not get.
    notBegun(to);
    return to;
  };
  const requested = (request) => {
    try {
      return readRequest(readOf(request));
    } catch {
      throw invalid("req", `must be a request of this framework, and is ${kindOf(request)}`);
    }
  };

  /** What fails is heard of by the function's own listeners, wherever it does. */
  const heard = (operation, action) => (...given) => {
    let from;
    return traceAround(operation, () => from?.kind, async () => {
      from = sessions();
      return action(from, ...given);
    });
  };

  const createNewSession = heard("createNewSession", async (from, response, userId, jwtPayload = {}, sessionData = {}) => {
    const to = view(response);
    const cookies = await from.cookies();
    const issued = await from.createNewSession(userId, jwtPayload, sessionData);
    put(to, () => setTokens(to, issued, cookies));
    return new Session({ view: to, sessions: from, info: issued.session });
  });

  const getSession = heard("getSession", async (from, request, response, doAntiCsrfCheck) => {
    const to = view(response);
    flag("doAntiCsrfCheck", doAntiCsrfCheck);
    const { accessToken, antiCsrfToken, idRefreshToken } = requested(request);
    // It may just have run out, and its cookie with it.
    if (accessToken === undefined) throw tryRefreshToken("access token missing in cookies");
    const found = await orClear(from, to, async (cookies) => {
      const found = await from.getSession(accessToken, antiCsrfToken, doAntiCsrfCheck, idRefreshToken);
      if (found.accessToken !== undefined) put(to, () => setAccessToken(to, found.accessToken, cookies));
      return found;
    });
    return new Session({ view: to, sessions: from, info: found.session });
  });

  const refreshSession = heard("refreshSession", async (from, request, response) => {
    const to = view(response);
    const { refreshToken } = requested(request);
    return orClear(from, to, async (cookies) => {
      if (refreshToken === undefined) {
        throw unauthorised("the refresh token is missing in the cookies: does the path of the refresh API match the configured one?");
      }
      const issued = await from.refreshSession(refreshToken);
      put(to, () => setTokens(to, issued, cookies));
      return new Session({ view: to, sessions: from, info: issued.session });
    });
  });

  function setRelevantHeadersForOptionsAPI(response) {
    allowHeaders(view(response));
  }

  return { createNewSession, getSession, refreshSession, setRelevantHeadersForOptionsAPI };
}

module.exports = { Session, webFunctions };
