const supertokens = require("supertokens-node/session");

supertokens.init([{ hostname: "localhost", port: 3567 }]);

async function main() {
  // Sign the user in by your own means, then:
  const login = await supertokens.createNewSession("user-1", { role: "editor" }, { visits: 1 });

  // On each request, verify the access token. No call to the server is made for this.
  const { session } = await supertokens.getSession(
    login.accessToken.token, login.antiCsrfToken, true, login.idRefreshToken.token);
  console.log(session.userId, session.userDataInJWT); // the JWT payload

  // The session data stay on the server, and can be overwritten at any time.
  const data = await supertokens.getSessionData(session.handle);
  await supertokens.updateSessionData(session.handle, { visits: data.visits + 1 });

  // When the access token has run out: new tokens for the refresh token.
  const renewed = await supertokens.refreshSession(login.refreshToken.token);

  await supertokens.revokeSessionUsingSessionHandle(renewed.session.handle);
}

main().catch((error) => {
  console.error(error.err ?? error); // the SDK wraps what went wrong
  process.exitCode = 1;
});
