import type { RequestLike, Session } from "./lib/web.js";
import type { Sessions } from "./session.js";
export {
  close,
  Error,
  getAllSessionHandlesForUser,
  getSessionData,
  init,
  readSessionData,
  ready,
  revokeAllSessionsForUser,
  revokeSessionUsingSessionHandle,
  Sessions,
  updateSessionData,
  writeSessionData,
} from "./session.js";
export type {
  CommonSettings,
  CookieToken,
  DataWritten,
  EngineOptions,
  Host,
  InvalidArgument,
  IssuedSession,
  PlainToken,
  ServerOptions,
  SessionInfo,
  TraceMessage,
  VerifiedSession,
  VersionedData,
} from "./session.js";
export { Session } from "./lib/web.js";
export type { RequestLike } from "./lib/web.js";

/** As much of a reply as is used. */
export interface ResponseLike {
  getHeader(name: string): number | string | string[] | undefined;
  header(name: string, value: unknown): unknown;
  removeHeader(name: string): unknown;
}

/** Makes a session for a user who has signed in, and sets its cookies. */
export declare function createNewSession(
  reply: ResponseLike,
  userId: string,
  jwtPayload?: object,
  sessionData?: object,
): Promise<Session>;
/** The session of a request. May set a new access token, and takes the cookies back if there is no session any more. */
export declare function getSession(request: RequestLike, reply: ResponseLike, doAntiCsrfCheck: boolean): Promise<Session>;
/** Exchanges the request's refresh token for new tokens, and sets their cookies. */
export declare function refreshSession(request: RequestLike, reply: ResponseLike): Promise<Session>;
/** Allows browsers to send what frontends on other origins need; for answers to OPTIONS. */
export declare function setRelevantHeadersForOptionsAPI(reply: ResponseLike): void;

/** The same functions for sessions of their own, beside those of `init`. */
export declare function withSessions(sessions: Sessions): {
  createNewSession: typeof createNewSession;
  getSession: typeof getSession;
  refreshSession: typeof refreshSession;
  setRelevantHeadersForOptionsAPI: typeof setRelevantHeadersForOptionsAPI;
};
