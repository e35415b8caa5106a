// What the page asks of the SDK, of its first release.
import SuperTokens from "supertokens-website-4";

let api;

export function start(address) {
  api = address;
  SuperTokens.init({ refreshTokenUrl: `${address}/auth/session/refresh` });
}

export const hasSession = async () => SuperTokens.doesSessionExist();

/** It has no function for it. */
export const signOut = () => fetch(`${api}/auth/signout`, { method: "POST" });
