package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"

	"github.com/supertokens/supertokens-golang/recipe/session"
	sdkerrors "github.com/supertokens/supertokens-golang/recipe/session/errors"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
)

// What came of a step with another SDK.
type step struct {
	User          string `json:"user"`
	Handle        string `json:"handle"`
	Role          string `json:"role"`
	AccessToken   string `json:"accessToken"`
	RefreshToken  string `json:"refreshToken"`
	AntiCsrfToken string `json:"antiCsrfToken"`
	Error         string `json:"error"`
	Revoked       bool   `json:"revoked"`
}

func (s step) tokens() sessmodels.SessionTokens {
	return sessmodels.SessionTokens{RefreshToken: &s.RefreshToken, AntiCsrfToken: &s.AntiCsrfToken}
}

// held is what another SDK can take over.
func held(from made) step {
	tokens := tokensOf(from)
	return step{AccessToken: tokens.AccessToken, RefreshToken: *tokens.RefreshToken, AntiCsrfToken: *tokens.AntiCsrfToken}
}

// node has a release of supertokens-node do a step.
func node(release string, tokens step, action ...string) (done step) {
	arguments := append([]string{"../support/step.mjs", release, core.target.Port()}, action...)
	command := exec.Command("node", arguments...)
	command.Stdin = bytes.NewReader(must(json.Marshal(tokens)))
	command.Stderr = os.Stderr
	must(0, json.Unmarshal(must(command.Output()), &done))
	return done
}

// goOn refreshes a session of which `tokens` are the newest, and verifies it twice.
func goOn(tokens sessmodels.SessionTokens, handle string) made {
	renewed := must(refresh(tokens))
	equal(renewed.GetHandle(), handle)
	equal(renewed.GetAccessTokenPayload()["role"], interface{}("editor"))
	used := must(verifyWith(tokensOf(renewed).AntiCsrfToken, renewed.GetAccessToken()))
	equal(must(verifyWith(tokensOf(renewed).AntiCsrfToken, used.GetAccessToken())).GetHandle(), handle)
	return renewed
}

func sessionGoesToOtherSDKsAndBack(user string) {
	for _, release := range []string{"1.0.1", "24.0.3"} {
		// Theirs is refreshed here, then there, then here, and revoked here.
		theirs := node(release, step{}, "create", user+release)
		handle := theirs.Handle
		for turn := 0; turn < 2; turn++ {
			theirs = node(release, held(goOn(theirs.tokens(), handle)), "go-on")
			equal([]string{theirs.User, theirs.Handle, theirs.Role}, []string{user + release, handle, "editor"})
		}
		equal(must(session.RevokeSession(handle)), true)
		equal(node(release, theirs, "go-on"), step{Error: "UNAUTHORISED"})

		// Ours is revoked there; a token from before is theft there, too.
		ours := login(user)
		handle = ours.GetHandle()
		old := held(ours)
		renewed := goOn(node(release, old, "go-on").tokens(), handle)
		equal(node(release, old, "go-on").Error, "TOKEN_THEFT_DETECTED")
		equal(node(release, step{}, "revoke", handle).Revoked, true)
		refused[sdkerrors.UnauthorizedError](refresh(tokensOf(renewed)))
	}
}
