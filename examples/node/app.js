// Sign in, stay signed in, sign out: Express with supertokens-node 1.0, and handstamp on port 3567 of this machine.
//
//     npm install && npm start
//
// CORE_PORT and PORT choose other ports, for the session server and for this program. To try it with curl, which keeps cookies of
// plain http only if they are not marked secure, start the server with COOKIE_SECURE=false, and then:
//
//     curl -i -c jar -X POST 'http://localhost:8080/login?user=ada'
//     curl -b jar -H "anti-csrf: <the value of that header in the answer>" http://localhost:8080/visit
const express = require("express");
const SuperTokens = require("supertokens-node");

SuperTokens.init([{ hostname: "localhost", port: Number(process.env.CORE_PORT ?? 3567) }]);

const app = express();

// The application finds out who it is by its own means; this one believes what it is told.
app.post("/login", async (req, res, next) => {
  try {
    const userId = String(req.query.user ?? "guest");
    const session = await SuperTokens.createNewSession(res, userId, { role: "user" }, { visits: 0 });
    res.json({ userId: session.getUserId() });
  } catch (error) {
    next(error);
  }
});

app.get("/visit", async (req, res, next) => {
  try {
    const session = await SuperTokens.getSession(req, res, true);
    const { visits } = await session.getSessionData();
    await session.updateSessionData({ visits: visits + 1 });
    res.json({ userId: session.getUserId(), role: session.getJWTPayload().role, visits: visits + 1 });
  } catch (error) {
    next(error);
  }
});

// The path that the server's refresh_api_path names: the browser sends the refresh token nowhere else.
app.post("/session/refresh", async (req, res, next) => {
  try {
    await SuperTokens.refreshSession(req, res);
    res.json({});
  } catch (error) {
    next(error);
  }
});

app.post("/logout", async (req, res, next) => {
  try {
    const session = await SuperTokens.getSession(req, res, true);
    await session.revokeSession();
    res.json({});
  } catch (error) {
    next(error);
  }
});

app.use(async (error, req, res, next) => {
  const { Error: SessionError } = SuperTokens;
  if (!SessionError.isErrorFromAuth(error)) return next(error);
  try {
    switch (error.errType) {
      case SessionError.TRY_REFRESH_TOKEN:
        return res.status(440).json({ error: "refresh the session and try again" });
      case SessionError.TOKEN_THEFT_DETECTED:
        // Somebody else holds this session's tokens: nobody keeps it.
        await SuperTokens.revokeSessionUsingSessionHandle(error.err.sessionHandle);
        return res.status(440).json({ error: "signed out" });
      case SessionError.UNAUTHORISED:
        return res.status(440).json({ error: "sign in first" });
      default:
        return next(error.err);
    }
  } catch (failure) {
    next(failure.err ?? failure);
  }
});

const listener = app.listen(Number(process.env.PORT ?? 8080), "localhost", () => {
  console.log(`listening on http://localhost:${listener.address().port}`);
});
