/// <reference lib="esnext.disposable" />

/** A server that can be asked. */
export interface Host {
  /** A name or an address; the path that the server is below, if there is one, goes after it: `internal.example/sessions`. */
  hostname: string;
  port: number | string;
}

/** What holds for either backend. */
export interface CommonSettings {
  /** Default: `"none"` where cookies are for https only, as frontends on other sites need it; `"lax"` otherwise. */
  cookieSameSite?: "none" | "lax" | "strict";
  /** Whether a session ends by itself when somebody else is found to hold its tokens. Default `"revoke"`. */
  onTheft?: "revoke" | "report";
  /** How many verified access tokens are remembered until they run out. Default 8192; 0 for none. */
  verifiedTokens?: number;
}

/** An engine in this process. Times are milliseconds. */
export interface EngineOptions extends CommonSettings {
  /** `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`, `mysql://USER:PASSWORD@HOST/DATABASE`, or `memory:`. Default `sqlite:./handstamp.db`. */
  database?: string;
  /** Default 1 hour. */
  accessTokenValidity?: number;
  /** How long a session lives without being refreshed. Default 100 days; at most 100 years. */
  refreshTokenValidity?: number;
  /** How long a session lives at the most, which may be 100 years. Default: no bound. */
  absoluteLifetime?: number;
  /** How long a repeated refresh gets the same answer. Default 10 s. */
  graceWindow?: number;
  /** How long a signing key signs. Default 7 days; at most 100 years. */
  signingKeyInterval?: number;
  /** Which share of an access token's validity is cut by chance, at the most. Default 0. */
  accessTokenJitter?: number;
  /** In bytes of JSON. Default 1 MiB. */
  sessionDataLimit?: number;
  /** In bytes, name included. Default 4096. */
  accessTokenCookieLimit?: number;
  /** Default `true`. */
  enableAntiCsrf?: boolean;
  /** Whether every verification asks the database if the session is still there. Default `false`. */
  accessTokenBlacklisting?: boolean;
  /** Default: none, which means the host that sets the cookie. */
  cookieDomain?: string;
  /** Default `true`. */
  cookieSecure?: boolean;
  /** Default `/`. */
  accessTokenPath?: string;
  /** Where the application refreshes. Default `/session/refresh`. */
  refreshTokenPath?: string;
}

/** A server elsewhere, by its addresses: where one cannot be connected to, the next is asked. */
export interface ServerOptions extends CommonSettings {
  hosts: readonly Host[];
  apiKey?: string;
  /** How long an answer may take, in milliseconds. Default 30 s. */
  timeout?: number;
  /** How long a connection may take, in milliseconds; never longer than an answer. Default 5 s. */
  connectTimeout?: number;
}

export interface SessionInfo {
  readonly handle: string;
  /** The same as `handle`. */
  readonly sessionHandle: string;
  readonly userId: string;
  /** The JWT payload: frozen, at any depth. */
  readonly userDataInJWT: any;
  /** The same object as `userDataInJWT`. */
  readonly jwtPayload: any;
}

export interface PlainToken {
  token: string;
  /** The same as `token`. */
  value: string;
  /** In milliseconds since 1970. */
  expiry: number;
  createdTime: number;
}

/** A token, and how its cookie is to be. */
export interface CookieToken extends PlainToken {
  cookiePath: string;
  /** The same as `cookiePath`. */
  path: string;
  cookieSecure: boolean;
  domain: string | undefined;
}

export interface IssuedSession {
  session: SessionInfo;
  accessToken: CookieToken;
  refreshToken: CookieToken;
  idRefreshToken: PlainToken;
  antiCsrfToken: string | undefined;
}

export interface VerifiedSession {
  session: SessionInfo;
  /** A new access token, to be used from now on. */
  accessToken?: CookieToken;
}

/** Session data, with how often they were written. */
export interface VersionedData {
  data: any;
  version: number;
  /** When the session ends unless it is used before. */
  expiry: number;
}

/**
 * What listeners of the tracing channels get (`diagnostics_channel`): one channel for each function, `handstamp.getSession` and so
 * on; and `handstamp.tendKeys` and `handstamp.sweep`, for the engine's own work, of which only `error` is heard.
 */
export interface TraceMessage {
  operation: string;
  /** Whether it ran in this process, or on a server elsewhere. */
  backend: "engine" | "server";
  /** With `TOKEN_THEFT_DETECTED`, it names the session's handle and its user. No error has a token, a payload or data. */
  error?: AuthError;
}

export type DataWritten = { written: true; version: number } | { written: false };

/** What all functions fail with. */
declare class AuthError extends globalThis.Error {
  /** Something failed or was not ready; nothing is said about the session. */
  static readonly GENERAL_ERROR: 1000;
  /** There is no session (any more): clear the cookies, go to the login. */
  static readonly UNAUTHORISED: 2000;
  /** The access token is not good (any more): refresh, and try again. */
  static readonly TRY_REFRESH_TOKEN: 3000;
  /** Somebody else holds the session's tokens. */
  static readonly TOKEN_THEFT_DETECTED: 4000;
  static isErrorFromAuth(err: unknown): err is AuthError;

  errType: number;
  /**
   * The reason; with `TOKEN_THEFT_DETECTED`, `{ sessionHandle, userId }`, and `cause` is then what ending the session has failed with,
   * if it has. For an argument that cannot be, an {@link InvalidArgument}.
   */
  err: any;
  /** Names the reason: `INVALID_ARGUMENT`, `NOT_INITIALISED`, `CLOSED`, `UNAVAILABLE`, `RESPONSE_BEGUN`, .. */
  code: string;
  /**
   * Whether something may have been written all the same: an answer was lost, or could not be handed on. Then look, or do it again
   * where that harms nobody. A refresh can be repeated with the same token.
   */
  outcomeUnknown: boolean;
  /** Which argument or setting, with the code `INVALID_ARGUMENT`. */
  argument?: string;
  /** Where in the argument, such as `list[1].amount`; empty where it is the whole. */
  path?: string;
}
export { AuthError as Error };

/** The `err` of an error with the code `INVALID_ARGUMENT`. */
export interface InvalidArgument extends TypeError {
  code: "INVALID_ARGUMENT";
  /** Which argument or setting. */
  argument: string;
  /** Where in it, such as `list[1].amount`; empty where it is the whole. */
  path: string;
  /** Why it cannot be. */
  reason: string;
}

/**
 * Says where sessions are kept: on a server, by the array of its addresses, or in a database that the engine in this process
 * uses. To be called once, before all else.
 */
export declare function init(options?: readonly Host[] | ServerOptions | EngineOptions): void;
/** Waits until requests can be answered. Requests wait by themselves; this tells at the start what would fail later. */
export declare function ready(): Promise<void>;
/** Finishes what is under way and lets the database go. */
export declare function close(): Promise<void>;

/** Makes a session for a user who has signed in. */
export declare function createNewSession(userId: string, jwtPayload?: object, sessionData?: object): Promise<IssuedSession>;
/** Verifies an access token; the anti-CSRF token is compared if there is one. */
export declare function getSession(accessToken: string, antiCsrfToken?: string): Promise<VerifiedSession>;
/** Verifies an access token. */
export declare function getSession(
  accessToken: string,
  antiCsrfToken: string | undefined,
  doAntiCsrfCheck: boolean,
): Promise<VerifiedSession>;
/** Verifies an access token; without an id refresh token there is no session. */
export declare function getSession(
  accessToken: string,
  antiCsrfToken: string | undefined,
  doAntiCsrfCheck: boolean,
  idRefreshToken: string | undefined,
): Promise<VerifiedSession>;
/** Exchanges a refresh token for new tokens. */
export declare function refreshSession(refreshToken: string): Promise<IssuedSession>;
/** Ends all sessions of a user; answers how many there were. */
export declare function revokeAllSessionsForUser(userId: string): Promise<number>;
export declare function getAllSessionHandlesForUser(userId: string): Promise<string[]>;
/** Ends a session; answers whether there was one. */
export declare function revokeSessionUsingSessionHandle(sessionHandle: string): Promise<boolean>;
export declare function getSessionData(sessionHandle: string): Promise<any>;
/** Overwrites the session data, whoever else may have written meanwhile. */
export declare function updateSessionData(sessionHandle: string, newSessionData: object): Promise<void>;
/** Session data with their version. Needs the engine in this process. */
export declare function readSessionData(sessionHandle: string): Promise<VersionedData>;
/** Overwrites session data, with `expectedVersion` only if nobody else has since. Needs the engine in this process. */
export declare function writeSessionData(
  sessionHandle: string,
  newSessionData: object,
  options?: { expectedVersion?: number },
): Promise<DataWritten>;

/** The same functions as methods, for applications that have more than one set of sessions. */
export declare class Sessions implements AsyncDisposable {
  constructor(options?: readonly Host[] | ServerOptions | EngineOptions);
  readonly isClosed: boolean;
  ready: typeof ready;
  close: typeof close;
  createNewSession: typeof createNewSession;
  getSession: typeof getSession;
  refreshSession: typeof refreshSession;
  revokeAllSessionsForUser: typeof revokeAllSessionsForUser;
  getAllSessionHandlesForUser: typeof getAllSessionHandlesForUser;
  revokeSessionUsingSessionHandle: typeof revokeSessionUsingSessionHandle;
  getSessionData: typeof getSessionData;
  updateSessionData: typeof updateSessionData;
  readSessionData: typeof readSessionData;
  writeSessionData: typeof writeSessionData;
  [Symbol.asyncDispose](): Promise<void>;
}
