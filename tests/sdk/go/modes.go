package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/MicahParks/keyfunc/v2"
	"github.com/supertokens/supertokens-golang/recipe/session"
	sdkerrors "github.com/supertokens/supertokens-golang/recipe/session/errors"
	"github.com/supertokens/supertokens-golang/recipe/session/sessmodels"
)

const (
	// How many clients work at a time while keys change, and what each does with the new key before that is enough.
	clients     = 3
	roundsAfter = 5
	// Nothing else bounds how long a key that never comes would be waited for.
	rotationDeadline = time.Minute
	sessionValidity  = 2040 * time.Millisecond
)

// application answers its requests with a session's handle, or the name of an error.
func application() *httptest.Server {
	routes := http.NewServeMux()
	route := func(path string, handler func(http.ResponseWriter, *http.Request) (made, error)) {
		routes.HandleFunc(path, func(response http.ResponseWriter, request *http.Request) {
			found, err := handler(response, request)
			if err != nil {
				response.WriteHeader(440)
				fmt.Fprintf(response, "%T", err)
				return
			}
			fmt.Fprint(response, found.GetHandle())
		})
	}
	checked := func(path string, antiCsrf bool) {
		route(path, func(response http.ResponseWriter, request *http.Request) (made, error) {
			return session.GetSession(request, response, &sessmodels.VerifySessionOptions{AntiCsrfCheck: &antiCsrf})
		})
	}
	route("/login", func(response http.ResponseWriter, request *http.Request) (made, error) {
		return session.CreateNewSession(request, response, "public", request.URL.Query().Get("user"), object{}, object{})
	})
	route("/renew", func(response http.ResponseWriter, request *http.Request) (made, error) {
		return session.RefreshSession(request, response)
	})
	checked("/page", false)
	checked("/guarded", true)
	return httptest.NewServer(routes)
}

// A browser as far as sessions are concerned: cookies, tokens in headers, and the anti-CSRF token.
type browser struct {
	url      string
	transfer string
	cookies  map[string]string
	tokens   map[string]string
	antiCsrf string
}

func signIn(url, user, transfer string) (browser, string) {
	b := browser{url: url, transfer: transfer, cookies: map[string]string{}, tokens: map[string]string{}}
	return b, b.ok("/login?user="+user, nil)
}

func (b *browser) copy() browser {
	copied := *b
	copied.cookies, copied.tokens = map[string]string{}, map[string]string{}
	for name, value := range b.cookies {
		copied.cookies[name] = value
	}
	for name, value := range b.tokens {
		copied.tokens[name] = value
	}
	return copied
}

func (b *browser) send(path string, headers map[string]string) (int, string) {
	request := must(http.NewRequest(http.MethodPost, b.url+path, nil))
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if b.transfer != "" {
		request.Header.Set("st-auth-mode", b.transfer)
	}
	bearer := b.tokens["St-Access-Token"]
	if path == "/renew" {
		bearer = b.tokens["St-Refresh-Token"]
	}
	if bearer != "" {
		request.Header.Set("authorization", "Bearer "+bearer)
	}
	if b.antiCsrf != "" {
		request.Header.Set("anti-csrf", b.antiCsrf)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response := must(http.DefaultClient.Do(request))
	defer response.Body.Close()
	for _, cookie := range response.Cookies() {
		b.cookies[cookie.Name] = cookie.Value
		if cookie.Value == "" {
			delete(b.cookies, cookie.Name)
		}
	}
	for _, name := range []string{"St-Access-Token", "St-Refresh-Token"} {
		if value := response.Header.Get(name); value != "" {
			b.tokens[name] = value
		}
	}
	if value := response.Header.Get("anti-csrf"); value != "" {
		b.antiCsrf = value
	}
	return response.StatusCode, string(must(io.ReadAll(response.Body)))
}

func (b *browser) ok(path string, headers map[string]string) string {
	status, text := b.send(path, headers)
	if status != http.StatusOK {
		panic(fmt.Errorf("%s: %d %s", path, status, text))
	}
	return text
}

func (b *browser) refused(err error, path string) {
	status, text := b.send(path, nil)
	if status != 440 || text != fmt.Sprintf("%T", err) {
		panic(fmt.Errorf("%s: expected %T, got %d %s", path, err, status, text))
	}
}

func customHeaderIsNeeded(user string) {
	app := application()
	defer app.Close()
	client, handle := signIn(app.URL, user, "")
	headers := map[string]string{"rid": "session"}
	client.refused(sdkerrors.TryRefreshTokenError{}, "/guarded")
	for _, path := range []string{"/guarded", "/renew", "/guarded"} {
		equal(client.ok(path, headers), handle)
	}
	equal(client.ok("/page", nil), handle)
	equal(client.antiCsrf, "")
}

func nothingIsNeededWithoutAGuard(user string) {
	app := application()
	defer app.Close()
	client, handle := signIn(app.URL, user, "")
	for _, path := range []string{"/guarded", "/renew", "/guarded"} {
		equal(client.ok(path, nil), handle)
	}
	equal(client.antiCsrf, "")
}

func tokensTravelAsTheClientAsks(user string) {
	app := application()
	defer app.Close()
	for _, transfer := range []string{"cookie", "header"} {
		client, handle := signIn(app.URL, user, transfer)
		equal(len(client.tokens), map[string]int{"cookie": 0, "header": 2}[transfer])
		_, has := client.cookies["sRefreshToken"]
		equal(has, transfer == "cookie")
		thief := client.copy()
		equal(client.ok("/page", nil), handle)
		equal(client.ok("/renew", nil), handle)
		used := asking([]string{"verify"}, func() (string, error) { return client.ok("/page", nil), nil })
		equal(used, handle)
		again := asking([]string{}, func() (string, error) { return client.ok("/guarded", nil), nil })
		equal(again, handle)
		thief.refused(sdkerrors.TokenTheftDetectedError{}, "/renew")
	}
}

// past returns once the clock is past a token's own end.
func past(end time.Time) {
	for left := time.Until(end); left >= 0; left = time.Until(end) {
		time.Sleep(left + time.Millisecond)
	}
}

func accessTokenEnds(user string) {
	created := login(user)
	end := func(of made) float64 { return readToken(of.GetAccessToken()).payload["exp"].(float64) }
	past(time.Unix(int64(end(created)), 0))
	refused[sdkerrors.TryRefreshTokenError](verify(created.GetAccessToken()))
	renewed := must(refresh(tokensOf(created)))
	equal(renewed.GetHandle(), created.GetHandle())
	equal(end(renewed) > end(created), true)
}

func sessionEnds(user string) {
	created := login(user)
	// A token tells when it was made in whole seconds, rounded down.
	madeAt := time.Unix(int64(readToken(created.GetAccessToken()).payload["iat"].(float64)), 0)
	past(madeAt.Add(time.Second + sessionValidity))
	equal(handles(user), []string{})
	refused[sdkerrors.TryRefreshTokenError](verify(created.GetAccessToken()))
	refused[sdkerrors.UnauthorizedError](refresh(tokensOf(created)))
}

// verified answers the session as it is when its access token is taken. When a few meet a new key at a time, keyfunc, which
// holds the keys for the SDK, has one of them wait for it and tells another at once that there is no such key. The SDK then asks
// for a refresh, and the client refreshes.
func verified(of made, deadline time.Time) made {
	for {
		_, err := verify(of.GetAccessToken())
		if err == nil {
			return of
		}
		if !strings.Contains(err.Error(), keyfunc.ErrKIDNotFound.Error()) || time.Now().After(deadline) {
			must(0, err)
		}
		of = must(refresh(tokensOf(of)))
	}
}

func keysChangeUnderLoad(user string) {
	signedBefore := func(of made) bool { return readToken(of.GetAccessToken()).signedBy(keyBefore) }
	// Tokens, and the keys that the SDK knows, are from before the change.
	var veterans []made
	for number := 0; number < clients; number++ {
		veteran := login(user)
		must(verify(veteran.GetAccessToken()))
		equal(signedBefore(veteran), true)
		veterans = append(veterans, veteran)
	}
	second := change()
	core.passTo(second)
	deadline := time.Now().Add(rotationDeadline)
	work := func(veteran made) {
		for after := 0; after < roundsAfter; {
			if time.Now().After(deadline) {
				panic(errors.New("no new key came"))
			}
			must(verify(veteran.GetAccessToken()))
			created := login(user)
			current := verified(created, deadline)
			renewed := verified(must(refresh(tokensOf(current))), deadline)
			equal(renewed.GetHandle(), created.GetHandle())
			if !signedBefore(created) {
				after++
			}
		}
		// Their tokens are as good as ever.
		must(verify(veteran.GetAccessToken()))
		renewed := must(refresh(tokensOf(veteran)))
		equal(signedBefore(renewed), false)
		verified(renewed, deadline)
	}
	failures := make(chan interface{}, clients)
	var working sync.WaitGroup
	for _, veteran := range veterans {
		veteran := veteran
		working.Add(1)
		go func() {
			defer working.Done()
			// A scenario fails in its own goroutine only.
			defer func() {
				if why := recover(); why != nil {
					failures <- why
				}
			}()
			work(veteran)
		}()
	}
	working.Wait()
	select {
	case why := <-failures:
		panic(why)
	default:
	}
	equal(len(listedKeys(second)) > 1, true)
}
