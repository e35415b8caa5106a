// What the page asks of the front end's SDK.
import SuperTokens from "supertokens-website";

/** From here on the SDK looks after each request to `api`. */
export function start(api, transfer) {
  SuperTokens.init({ apiDomain: api, tokenTransferMethod: transfer });
}

export const hasSession = () => SuperTokens.doesSessionExist();

export const signOut = () => SuperTokens.signOut();
