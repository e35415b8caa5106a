// The same for ES modules: one state, whichever way it is loaded.
import api from "./session.js";

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
} = api;
const { Error: AuthError } = api;
export { AuthError as Error };
