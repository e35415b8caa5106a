import type { DataWritten, VersionedData } from "../session.js";

/** The session of a request, or one just made. */
export declare class Session {
  private constructor();
  getUserId(): string;
  /** Frozen, at any depth. */
  getJWTPayload(): any;
  getHandle(): string;
  getSessionData(): Promise<any>;
  updateSessionData(newSessionData: object): Promise<void>;
  readSessionData(): Promise<VersionedData>;
  writeSessionData(newSessionData: object, options?: { expectedVersion?: number }): Promise<DataWritten>;
  /** Ends the session, and takes the cookies back. */
  revokeSession(): Promise<void>;
}

/** As much of a request as is read. */
export interface RequestLike {
  headers: { [name: string]: string | string[] | undefined };
}
