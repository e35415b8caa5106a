package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"sort"
	"strings"

	"github.com/supertokens/supertokens-golang/recipe/multitenancy"
	"github.com/supertokens/supertokens-golang/recipe/multitenancy/multitenancymodels"
	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/claims"
	sdkerrors "github.com/supertokens/supertokens-golang/recipe/session/errors"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

type object = map[string]interface{}

// must ends the scenario if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Errorf("unexpected %T: %w", err, err))
	}
	return value
}

// asking expects that `action` asks for paths that end with `expected`, and for no other.
func asking[T any](expected []string, action func() (T, error)) T {
	core.take()
	result := must(action())
	equal(core.take(), expected)
	return result
}

// refused expects an error of type `E`.
func refused[E error, T any](result T, err error) E {
	var expected E
	if !errors.As(err, &expected) {
		panic(fmt.Errorf("expected %T, got %+v and %T: %v", expected, result, err, err))
	}
	return expected
}

func equal[T any](found, expected T) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Errorf("%#v is not %#v", found, expected))
	}
}

func differ(one, other string) {
	if one == other {
		panic(fmt.Errorf("both are %q", one))
	}
}

func sorted(items []string) []string {
	items = append([]string{}, items...)
	sort.Strings(items)
	return items
}

type made = sessmodels.SessionContainer

func login(user string) made {
	return loginIn("public", user)
}

func loginIn(tenant, user string) made {
	payload, data := object{"role": "editor", "level": 1}, object{"visits": 1}
	return must(session.CreateNewSessionWithoutRequestResponse(tenant, user, payload, data, nil))
}

func tokensOf(of made) sessmodels.SessionTokens {
	return of.GetAllSessionTokensDangerously()
}

// verify leaves the anti-CSRF check out.
func verify(token string) (made, error) {
	no := false
	return session.GetSessionWithoutRequestResponse(token, nil, &sessmodels.VerifySessionOptions{AntiCsrfCheck: &no})
}

func verifyWith(antiCsrf *string, token string) (made, error) {
	yes := true
	return session.GetSessionWithoutRequestResponse(token, antiCsrf, &sessmodels.VerifySessionOptions{AntiCsrfCheck: &yes})
}

func refresh(tokens sessmodels.SessionTokens) (made, error) {
	return session.RefreshSessionWithoutRequestResponse(*tokens.RefreshToken, nil, tokens.AntiCsrfToken)
}

func handles(user string) []string {
	return sorted(must(session.GetAllSessionHandlesForUser(user, nil)))
}

func expectPayload(payload object, role string, level float64) {
	equal(payload["role"], interface{}(role))
	equal(payload["level"], interface{}(level))
}

func createdWithItsPayload(user string) {
	created := login(user)
	equal(created.GetUserID(), user)
	equal(created.GetTenantId(), "public")
	expectPayload(created.GetAccessTokenPayload(), "editor", 1)
}

func verifiedWithoutARequest(user string) {
	created := login(user)
	// The first may fetch the keys.
	must(verify(created.GetAccessToken()))
	seen := asking([]string{}, func() (made, error) { return verify(created.GetAccessToken()) })
	equal(seen.GetUserID(), user)
	equal(seen.GetHandle(), created.GetHandle())
}

func refreshBringsOtherTokens(user string) {
	created := login(user)
	before := tokensOf(created)
	renewed := asking([]string{"refresh"}, func() (made, error) { return refresh(before) })
	equal(renewed.GetHandle(), created.GetHandle())
	expectPayload(renewed.GetAccessTokenPayload(), "editor", 1)
	differ(tokensOf(renewed).AccessToken, before.AccessToken)
	differ(*tokensOf(renewed).RefreshToken, *before.RefreshToken)
}

func firstUseAfterARefresh(user string) {
	created := login(user)
	must(verify(created.GetAccessToken()))
	renewed := must(refresh(tokensOf(created))).GetAccessToken()
	first := asking([]string{"verify"}, func() (made, error) { return verify(renewed) })
	// It brings a token without a mark.
	differ(first.GetAccessToken(), renewed)
	asking([]string{}, func() (made, error) { return verify(first.GetAccessToken()) })
}

func oldRefreshTokenIsTheft(user string) {
	created := login(user)
	old := tokensOf(created)
	must(verify(must(refresh(old)).GetAccessToken()))
	theft := refused[sdkerrors.TokenTheftDetectedError](refresh(old))
	equal(theft.Payload.UserID, user)
	equal(theft.Payload.SessionHandle, created.GetHandle())
}

func sessionsAreListed(user string) {
	equal(handles(user), []string{})
	created := []string{login(user).GetHandle(), login(user).GetHandle()}
	equal(handles(user), sorted(created))
}

func oneIsRevoked(user string) {
	one, other := login(user), login(user)
	equal(must(session.RevokeSession(one.GetHandle())), true)
	equal(must(session.RevokeSession(one.GetHandle())), false)
	equal(handles(user), []string{other.GetHandle()})
	refused[sdkerrors.UnauthorizedError](refresh(tokensOf(one)))
	must(refresh(tokensOf(other)))
}

func allAreRevoked(user string) {
	one, other := login(user), login(user)
	revoked := must(session.RevokeAllSessionsForUser(user, nil))
	equal(sorted(revoked), sorted([]string{one.GetHandle(), other.GetHandle()}))
	equal(handles(user), []string{})
	refused[sdkerrors.UnauthorizedError](refresh(tokensOf(one)))
	refused[sdkerrors.UnauthorizedError](refresh(tokensOf(other)))
}

func dataAreOverwritten(user string) {
	created := login(user)
	equal(must(created.GetSessionDataInDatabase()), object{"visits": 1.0})
	data := object{"cart": []interface{}{1.0, object{"none": nil}}, "né": "世界"}
	must(0, created.UpdateSessionDataInDatabase(data))
	equal(must(created.GetSessionDataInDatabase()), data)
	data = object{"visits": 2.0}
	equal(must(session.UpdateSessionDataInDatabase(created.GetHandle(), data)), true)
	equal(must(created.GetSessionDataInDatabase()), data)
}

func payloadIsUpdated(user string) {
	created := login(user)
	before := created.GetAccessToken()
	asking([]string{"regenerate"}, func() (int, error) {
		return 0, created.MergeIntoAccessTokenPayload(object{"role": "admin", "level": 2})
	})
	differ(created.GetAccessToken(), before)
	seen := asking([]string{}, func() (made, error) { return verify(created.GetAccessToken()) })
	expectPayload(seen.GetAccessTokenPayload(), "admin", 2)
	stored := must(session.GetSessionInformation(created.GetHandle()))
	expectPayload(stored.CustomClaimsInAccessTokenPayload, "admin", 2)
	renewed := must(refresh(tokensOf(created)))
	expectPayload(renewed.GetAccessTokenPayload(), "admin", 2)
	// By the handle: what is stored changes at once, the token with the next refresh.
	equal(must(session.MergeIntoAccessTokenPayload(created.GetHandle(), object{"level": 3})), true)
	renewed = must(refresh(tokensOf(renewed)))
	expectPayload(renewed.GetAccessTokenPayload(), "admin", 3)
}

func antiCsrfTokenIsNeeded(user string) {
	tokens := tokensOf(login(user))
	guess := "guess"
	must(verifyWith(tokens.AntiCsrfToken, tokens.AccessToken))
	refused[sdkerrors.TryRefreshTokenError](verifyWith(&guess, tokens.AccessToken))
	refused[sdkerrors.TryRefreshTokenError](verifyWith(nil, tokens.AccessToken))
	must(verify(tokens.AccessToken))
}

func verifiedWithARequest(user string) {
	created := login(user)
	no, yes := false, true
	options := sessmodels.VerifySessionOptions{AntiCsrfCheck: &no, CheckDatabase: &yes}
	ask := func() (made, error) {
		return session.GetSessionWithoutRequestResponse(created.GetAccessToken(), nil, &options)
	}
	must(ask())
	seen := asking([]string{"verify"}, ask)
	equal(seen.GetUserID(), user)
	equal(seen.GetHandle(), created.GetHandle())
	equal(must(session.RevokeSession(created.GetHandle())), true)
	refused[sdkerrors.UnauthorizedError](ask())
}

// inTwoTenants makes a tenant; two sessions of a user in the default tenant, and one in that.
func inTwoTenants(user, tenant string) (here []string, there made) {
	answer := must(multitenancy.CreateOrUpdateTenant(tenant, multitenancymodels.TenantConfig{}))
	equal(answer.OK != nil && answer.OK.CreatedNew, true)
	return sorted([]string{login(user).GetHandle(), login(user).GetHandle()}), loginIn(tenant, user)
}

func handlesIn(tenant, user string) []string {
	return sorted(must(session.GetAllSessionHandlesForUser(user, &tenant)))
}

func tenantsAreListedAndRevokedTogether(user string) {
	here, there := inTwoTenants(user, "both")
	all := sorted(append([]string{there.GetHandle()}, here...))
	equal(there.GetTenantId(), "both")
	equal(must(verify(there.GetAccessToken())).GetTenantId(), "both")
	renewed := must(refresh(tokensOf(there)))
	equal(renewed.GetTenantId(), "both")
	equal(must(verify(renewed.GetAccessToken())).GetTenantId(), "both")
	equal(handles(user), all)
	equal(handlesIn("public", user), here)
	equal(handlesIn("both", user), []string{there.GetHandle()})
	equal(sorted(must(session.RevokeAllSessionsForUser(user, nil))), all)
	equal(handles(user), []string{})
}

func revokedInOneTenant(user string) {
	here, there := inTwoTenants(user, "apart")
	apart, public := "apart", "public"
	equal(must(session.RevokeAllSessionsForUser(user, &apart)), []string{there.GetHandle()})
	refused[sdkerrors.UnauthorizedError](refresh(tokensOf(there)))
	equal(handles(user), here)
	back := loginIn(apart, user)
	equal(sorted(must(session.RevokeAllSessionsForUser(user, &public))), here)
	equal(handles(user), []string{back.GetHandle()})
}

func payloadIsMergedInto(user string) {
	created := login(user)
	must(0, created.MergeIntoAccessTokenPayload(object{"level": nil, "added": object{"deep": []interface{}{nil}}}))
	seen := must(verify(created.GetAccessToken())).GetAccessTokenPayload()
	equal(seen["role"], interface{}("editor"))
	equal(seen["added"], interface{}(object{"deep": []interface{}{nil}}))
	_, has := seen["level"]
	equal(has, false)
	// By the handle: what is stored changes at once, the token with the next refresh.
	equal(must(session.MergeIntoAccessTokenPayload(created.GetHandle(), object{"role": "owner"})), true)
	equal(must(session.GetSessionInformation(created.GetHandle())).CustomClaimsInAccessTokenPayload["role"], interface{}("owner"))
	equal(must(verify(created.GetAccessToken())).GetAccessTokenPayload()["role"], interface{}("editor"))
	renewed := must(refresh(tokensOf(created))).GetAccessTokenPayload()
	equal(renewed["role"], interface{}("owner"))
	equal(renewed["added"], interface{}(object{"deep": []interface{}{nil}}))
	_, has = renewed["level"]
	equal(has, false)
}

func claimsAreAskedFor(user string) {
	fetch := func(string, string, supertokens.UserContext) (interface{}, error) { return "paid", nil }
	plan, validators := claims.PrimitiveClaim("plan", fetch, nil)
	has := func(of made, value string) (int, error) {
		return 0, of.AssertClaims([]claims.SessionClaimValidator{validators.HasValue(value, nil, nil)})
	}
	created := login(user)
	// What is not there is fetched, and is not what is asked for.
	invalid := refused[sdkerrors.InvalidClaimError](has(created, "free"))
	equal(len(invalid.InvalidClaims), 1)
	equal(invalid.InvalidClaims[0].ID, "plan")
	must(has(created, "paid"))
	stored := must(session.GetClaimValue(created.GetHandle(), plan))
	equal(stored.OK.Value, interface{}("paid"))
	equal(must(session.SetClaimValue(created.GetHandle(), plan, "free")), true)
	renewed := must(refresh(tokensOf(created)))
	must(has(must(verify(renewed.GetAccessToken())), "free"))
	must(0, renewed.FetchAndSetClaim(plan))
	must(has(must(verify(renewed.GetAccessToken())), "paid"))
}

func jwtIsVerifiedWithTheKeys(user string) {
	validity := uint64(60)
	signed := must(session.CreateJWT(object{"a": 1}, &validity, nil))
	keys := must(session.GetJWKS())
	for _, text := range []string{signed.OK.Jwt, login(user).GetAccessToken()} {
		token := readToken(text)
		found := false
		for _, key := range keys.OK.Keys {
			if key.Kid == token.header["kid"] {
				found = true
				equal(token.header["alg"], interface{}(key.Alg))
				equal(token.signedBy(jwk{N: key.N, E: key.E}), true)
			}
		}
		equal(found, true)
	}
	equal(readToken(signed.OK.Jwt).payload["a"], interface{}(1.0))
}

// A token as anybody can read it who holds one.
type token struct {
	header, payload object
	signed          string
	signature       []byte
}

type jwk struct{ Kid, N, E string }

func readToken(text string) token {
	parts := strings.Split(text, ".")
	equal(len(parts), 3)
	read := token{signed: parts[0] + "." + parts[1], signature: decode(parts[2])}
	must(0, json.Unmarshal(decode(parts[0]), &read.header))
	must(0, json.Unmarshal(decode(parts[1]), &read.payload))
	return read
}

func (t token) signedBy(key jwk) bool {
	public := rsa.PublicKey{
		N: new(big.Int).SetBytes(decode(key.N)), E: int(new(big.Int).SetBytes(decode(key.E)).Int64()),
	}
	hash := sha256.Sum256([]byte(t.signed))
	return rsa.VerifyPKCS1v15(&public, crypto.SHA256, hash[:], t.signature) == nil
}

func decode(part string) []byte {
	return must(base64.RawURLEncoding.DecodeString(part))
}
