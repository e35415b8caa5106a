// supertokens-golang against a running handstamp: the scenarios of sdk-releases.test.mjs, without a web framework.
//
//	HANDSTAMP_BIN=path/of/handstamp go run .
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"reflect"
	"regexp"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/supertokens/supertokens-golang/recipe/session"
	sdkerrors "github.com/supertokens/supertokens-golang/recipe/session/errors"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

const (
	apiKey   = "a-key-of-twenty-characters"
	protocol = "3.1"
	// Nothing else bounds how long a server that hangs is waited for.
	startDeadline = 30 * time.Second
	stopDeadline  = 30 * time.Second
)

type object = map[string]interface{}

// What the proxy noted.
var (
	noting   sync.Mutex
	requests []string
	versions = map[string]bool{}
)

// proxyTo notes what is asked of the server, and passes it on.
func proxyTo(server *url.URL) http.Handler {
	onward := httputil.NewSingleHostReverseProxy(server)
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		noting.Lock()
		requests = append(requests, path.Base(request.URL.Path))
		if version := request.Header.Get("cdi-version"); version != "" {
			versions[version] = true
		}
		noting.Unlock()
		onward.ServeHTTP(response, request)
	})
}

// must ends the scenario if there is an error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Errorf("unexpected %T: %w", err, err))
	}
	return value
}

// asking expects that `action` asks for paths that end with `expected`, and for no other.
func asking[T any](expected []string, action func() (T, error)) T {
	noting.Lock()
	requests = nil
	noting.Unlock()
	result := must(action())
	noting.Lock()
	asked := append([]string{}, requests...)
	noting.Unlock()
	equal(asked, expected)
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
	payload, data := object{"role": "editor", "level": 1}, object{"visits": 1}
	return must(session.CreateNewSessionWithoutRequestResponse("public", user, payload, data, nil))
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

var scenarios = []struct {
	name string
	run  func(user string)
}{
	{"created with its payload", createdWithItsPayload},
	{"verified without a request", verifiedWithoutARequest},
	{"refresh brings other tokens", refreshBringsOtherTokens},
	{"first use after a refresh", firstUseAfterARefresh},
	{"old refresh token is theft", oldRefreshTokenIsTheft},
	{"sessions are listed", sessionsAreListed},
	{"one is revoked", oneIsRevoked},
	{"all are revoked", allAreRevoked},
	{"data are overwritten", dataAreOverwritten},
	{"payload is updated", payloadIsUpdated},
	{"anti-CSRF token is needed", antiCsrfTokenIsNeeded},
}

// passes runs one scenario, and says why it failed if it did.
func passes(name string, run func(user string)) (passed bool) {
	defer func() {
		if why := recover(); why != nil {
			fmt.Fprintf(os.Stderr, "failed: %s: %v\n%s", name, why, debug.Stack())
		}
	}()
	run("user of: " + name)
	return true
}

// start starts the server on a free port; `stop` ends that process.
func start() (server *url.URL, stop func(), err error) {
	command := exec.Command(
		os.Getenv("HANDSTAMP_BIN"), "serve", "--host", "127.0.0.1", "--port", "0", "--database", "memory:",
	)
	command.Env = []string{"API_KEYS=" + apiKey, "REFRESH_TOKEN_ROTATION_GRACE_PERIOD=0"}
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		late := time.AfterFunc(stopDeadline, func() { _ = command.Process.Kill() })
		defer late.Stop()
		if command.Process.Signal(os.Interrupt) != nil {
			_ = command.Process.Kill()
		}
		_ = command.Wait()
	}
	late := time.AfterFunc(startDeadline, func() { _ = command.Process.Kill() })
	defer late.Stop()
	ready := regexp.MustCompile(`^handstamp\b.*?(http://127\.0\.0\.1:\d+)`)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if found := ready.FindStringSubmatch(lines.Text()); found != nil {
			server, err = url.Parse(found[1])
			return server, stop, err
		}
	}
	stop()
	return nil, nil, errors.New("the server ended before it was ready")
}

// run answers whether all passed.
func run() (bool, error) {
	server, stop, err := start()
	if err != nil {
		return false, err
	}
	defer stop()
	proxy := httptest.NewServer(proxyTo(server))
	defer proxy.Close()
	telemetry, antiCsrf := false, session.AntiCSRF_VIA_TOKEN
	err = supertokens.Init(supertokens.TypeInput{
		Supertokens: &supertokens.ConnectionInfo{ConnectionURI: proxy.URL, APIKey: apiKey},
		AppInfo: supertokens.AppInfo{
			AppName: "tests", APIDomain: "http://localhost:3000", WebsiteDomain: "http://localhost:3000",
		},
		RecipeList: []supertokens.Recipe{session.Init(&sessmodels.TypeInput{AntiCsrf: &antiCsrf})},
		Telemetry:  &telemetry,
	})
	if err != nil {
		return false, err
	}
	passed := 0
	for _, scenario := range scenarios {
		if passes(scenario.name, scenario.run) {
			passed++
		}
	}
	noting.Lock()
	defer noting.Unlock()
	if !reflect.DeepEqual(versions, map[string]bool{protocol: true}) {
		return false, fmt.Errorf("protocol %s was to be spoken, not %v", protocol, versions)
	}
	fmt.Printf("supertokens-golang %s: %d of %d\n", supertokens.VERSION, passed, len(scenarios))
	return passed == len(scenarios), nil
}

func main() {
	passed, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if !passed {
		os.Exit(1)
	}
}
