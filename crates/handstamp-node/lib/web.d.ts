import type { DataWritten, VersionedData } from "../session.js";

/** The session of a request, or one just made. Its functions know what they belong to, and can be handed on alone. */
export declare class Session {
  private constructor();
  readonly getUserId: () => string;
  /** Frozen, at any depth. */
  readonly getJWTPayload: () => any;
  readonly getHandle: () => string;
  readonly getSessionData: () => Promise<any>;
  readonly updateSessionData: (newSessionData: object) => Promise<void>;
  readonly readSessionData: () => Promise<VersionedData>;
  readonly writeSessionData: (newSessionData: object, options?: { expectedVersion?: number }) => Promise<DataWritten>;
  /** Ends the session, and takes the cookies back. */
  readonly revokeSession: () => Promise<void>;
}

/** As much of a request as is read. */
export interface RequestLike {
  headers: { [name: string]: string | string[] | undefined };
}
