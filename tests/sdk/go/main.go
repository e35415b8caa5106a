// supertokens-golang against a running handstamp: the scenarios of sdk-releases.test.mjs, most of them without a web framework.
//
//	HANDSTAMP_BIN=path/of/handstamp go run .
//
// The SDK is set up once in a process. So each way to set it up is a group of scenarios in a process of its own, with its own
// server.
package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"runtime/debug"
	"strings"

	"github.com/supertokens/supertokens-golang/recipe/session"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
	"github.com/supertokens/supertokens-golang/supertokens"
)

const (
	apiKey   = "a-key-of-twenty-characters"
	protocol = "3.1"
)

type scenario struct {
	name string
	run  func(user string)
}

type group struct {
	settings  []string
	antiCsrf  string
	anyMode   bool
	rotation  bool
	scenarios []scenario
}

var groups = map[string]group{
	"usual": {
		settings: []string{"API_KEYS=" + apiKey},
		scenarios: []scenario{
			{"created with its payload", createdWithItsPayload},
			{"verified without a request", verifiedWithoutARequest},
			{"verified with a request", verifiedWithARequest},
			{"refresh brings other tokens", refreshBringsOtherTokens},
			{"first use after a refresh", firstUseAfterARefresh},
			{"old refresh token is theft", oldRefreshTokenIsTheft},
			{"sessions are listed", sessionsAreListed},
			{"one is revoked", oneIsRevoked},
			{"all are revoked", allAreRevoked},
			{"tenants are listed and revoked together", tenantsAreListedAndRevokedTogether},
			{"revoked in one tenant", revokedInOneTenant},
			{"data are overwritten", dataAreOverwritten},
			{"payload is updated", payloadIsUpdated},
			{"payload is merged into", payloadIsMergedInto},
			{"claims are asked for", claimsAreAskedFor},
			{"JWT is verified with the keys", jwtIsVerifiedWithTheKeys},
			{"anti-CSRF token is needed", antiCsrfTokenIsNeeded},
		},
	},
	"custom header": {
		antiCsrf:  session.AntiCSRF_VIA_CUSTOM_HEADER,
		scenarios: []scenario{{"custom header is needed", customHeaderIsNeeded}},
	},
	"unguarded": {
		antiCsrf:  session.AntiCSRF_NONE,
		scenarios: []scenario{{"nothing is needed without a guard", nothingIsNeededWithoutAGuard}},
	},
	"either transfer": {
		anyMode:   true,
		scenarios: []scenario{{"tokens travel as the client asks", tokensTravelAsTheClientAsks}},
	},
	"crossing": {
		scenarios: []scenario{{"session goes to other SDKs and back", sessionGoesToOtherSDKsAndBack}},
	},
	"short": {
		settings:  []string{"ACCESS_TOKEN_VALIDITY=1"},
		scenarios: []scenario{{"access token ends", accessTokenEnds}},
	},
	"ending": {
		settings: []string{
			"ACCESS_TOKEN_VALIDITY=1", fmt.Sprintf("REFRESH_TOKEN_VALIDITY=%f", sessionValidity.Minutes()),
		},
		scenarios: []scenario{{"session ends", sessionEnds}},
	},
	"rotation": {
		rotation:  true,
		scenarios: []scenario{{"keys change under load", keysChangeUnderLoad}},
	},
}

// passes runs one scenario, and says why it failed if it did.
func passes(name string, run func(user string)) (passed bool) {
	defer func() {
		if why := recover(); why != nil {
			fmt.Fprintf(os.Stderr, "failed: %s: %v\n%s", name, why, debug.Stack())
		}
	}()
	run("user-of-" + strings.ReplaceAll(name, " ", "-"))
	return true
}

// runGroup prints a line for each scenario that passed.
func runGroup(of group) error {
	var server *url.URL
	var stop func()
	var err error
	if of.rotation {
		server, stop, err = startRotation()
	} else {
		server, stop, err = start("memory:", of.settings...)
	}
	if stop != nil {
		defer stop()
	}
	if err != nil {
		return err
	}
	core = startProxy(server)
	defer core.Close()
	telemetry, antiCsrf := false, session.AntiCSRF_VIA_TOKEN
	if of.antiCsrf != "" {
		antiCsrf = of.antiCsrf
	}
	settings := sessmodels.TypeInput{AntiCsrf: &antiCsrf}
	if !of.anyMode {
		settings.GetTokenTransferMethod = func(*http.Request, bool, supertokens.UserContext) sessmodels.TokenTransferMethod {
			return sessmodels.CookieTransferMethod
		}
	}
	err = supertokens.Init(supertokens.TypeInput{
		Supertokens: &supertokens.ConnectionInfo{ConnectionURI: core.URL, APIKey: apiKey},
		AppInfo: supertokens.AppInfo{
			AppName: "tests", APIDomain: "http://localhost:3000", WebsiteDomain: "http://localhost:3000",
		},
		RecipeList: []supertokens.Recipe{session.Init(&settings)},
		Telemetry:  &telemetry,
	})
	if err != nil {
		return err
	}
	for _, scenario := range of.scenarios {
		if passes(scenario.name, scenario.run) {
			fmt.Println(scenario.name)
		}
	}
	if !reflect.DeepEqual(core.versions, map[string]bool{protocol: true}) {
		return fmt.Errorf("protocol %s was to be spoken, not %v", protocol, core.versions)
	}
	return nil
}

// run answers whether all passed.
func run() (bool, error) {
	own, err := os.Executable()
	if err != nil {
		return false, err
	}
	type child struct {
		*exec.Cmd
		printed bytes.Buffer
	}
	var children []*child
	asked := 0
	for name, group := range groups {
		started := &child{Cmd: exec.Command(own, name)}
		started.Stdout, started.Stderr = &started.printed, os.Stderr
		if err := started.Start(); err != nil {
			return false, err
		}
		children = append(children, started)
		asked += len(group.scenarios)
	}
	passed, failed := 0, false
	for _, child := range children {
		failed = child.Wait() != nil || failed
		passed += strings.Count(child.printed.String(), "\n")
	}
	fmt.Printf("supertokens-golang %s: %d of %d\n", supertokens.VERSION, passed, asked)
	return passed == asked && !failed, nil
}

func main() {
	passed, err := true, error(nil)
	if len(os.Args) > 1 {
		err = runGroup(groups[os.Args[1]])
	} else {
		passed, err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || !passed {
		os.Exit(1)
	}
}
