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

/** As much of a response as is used: what Express and Connect hand on from Node.js. */
export interface ResponseLike {
  getHeader(name: string): number | string | string[] | undefined;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
}

/** Makes a session for a user who has signed in, and sets its cookies. */
export declare function createNewSession(
  res: ResponseLike,
  userId: string,
  jwtPayload?: object,
  sessionData?: object,
): Promise<Session>;
/** The session of a request. May set a new access token, and takes the cookies back if there is no session any more. */
export declare function getSession(req: RequestLike, res: ResponseLike, doAntiCsrfCheck: boolean): Promise<Session>;
/** Exchanges the request's refresh token for new tokens, and sets their cookies. */
export declare function refreshSession(req: RequestLike, res: ResponseLike): Promise<Session>;
/** Allows browsers to send what frontends on other origins need; for answers to OPTIONS. */
export declare function setRelevantHeadersForOptionsAPI(res: ResponseLike): void;

/** The same functions for sessions of their own, beside those of `init`. */
export declare function withSessions(sessions: Sessions): {
  createNewSession: typeof createNewSession;
  getSession: typeof getSession;
  refreshSession: typeof refreshSession;
  setRelevantHeadersForOptionsAPI: typeof setRelevantHeadersForOptionsAPI;
};
