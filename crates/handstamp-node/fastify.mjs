// The same for ES modules: one state, whichever way it is loaded.
import api from "./fastify.js";

export default api;
export const {
  init,
  ready,
  close,
  Sessions,
  createNewSession,
  getSession,
  refreshSession,
  revokeAllSessionsForUser,
  getAllSessionHandlesForUser,
  revokeSessionUsingSessionHandle,
  getSessionData,
  updateSessionData,
  readSessionData,
  writeSessionData,
  Session,
  setRelevantHeadersForOptionsAPI,
  withSessions,
} = api;
const { Error: AuthError } = api;
export { AuthError as Error };
