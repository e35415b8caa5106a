package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	// Nothing else bounds how long a server that hangs is waited for.
	startDeadline = 30 * time.Second
	stopDeadline  = 30 * time.Second
	// How long the old key goes on signing, its successor being listed already.
	left = 4 * time.Second
)

// proxy passes requests on, and notes what is asked of the server.
type proxy struct {
	*httptest.Server
	noting   sync.Mutex
	target   *url.URL
	requests []string
	versions map[string]bool
}

// core is what the SDK takes for the server.
var core *proxy

func startProxy(target *url.URL) *proxy {
	p := &proxy{target: target, versions: map[string]bool{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		p.noting.Lock()
		p.requests = append(p.requests, path.Base(request.URL.Path))
		if version := request.Header.Get("cdi-version"); version != "" {
			p.versions[version] = true
		}
		target := p.target
		p.noting.Unlock()
		httputil.NewSingleHostReverseProxy(target).ServeHTTP(response, request)
	}))
	return p
}

// take answers the last parts of the paths that were asked for since the last call.
func (p *proxy) take() []string {
	p.noting.Lock()
	defer p.noting.Unlock()
	asked := append([]string{}, p.requests...)
	p.requests = nil
	return asked
}

func (p *proxy) passTo(target *url.URL) {
	p.noting.Lock()
	defer p.noting.Unlock()
	p.target = target
}

// start starts a server on a free port; `stop` ends that process.
func start(database string, settings ...string) (server *url.URL, stop func(), err error) {
	command := exec.Command(
		os.Getenv("HANDSTAMP_BIN"), "serve", "--host", "127.0.0.1", "--port", "0", "--database", database,
	)
	command.Env = append([]string{"REFRESH_TOKEN_ROTATION_GRACE_PERIOD=0"}, settings...)
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

// The signing key before it changes, and a server for which it is time to.
var (
	keyBefore jwk
	change    func() *url.URL
)

// startRotation starts a server with a key that signs for two hours. `change` starts a second one on the same database, for
// which it is one hour, and nearly over.
func startRotation() (server *url.URL, stop func(), err error) {
	folder, err := os.MkdirTemp("", "handstamp-sdk-")
	if err != nil {
		return nil, nil, err
	}
	stops := []func(){func() { _ = os.RemoveAll(folder) }}
	stop = func() {
		for last := len(stops) - 1; last >= 0; last-- {
			stops[last]()
		}
	}
	file := filepath.Join(folder, "rotation.db")
	startOn := func(hours int) (*url.URL, func(), error) {
		return start("sqlite:"+file, fmt.Sprintf("ACCESS_TOKEN_SIGNING_KEY_UPDATE_INTERVAL=%d", hours))
	}
	_, stopFirst, err := startOn(2)
	if err != nil {
		return nil, stop, err
	}
	stopFirst()
	madeAt := time.Now().Add(left - time.Hour).UnixMilli()
	if out, err := exec.Command("python3", "../python/age_keys.py", file, fmt.Sprint(madeAt)).CombinedOutput(); err != nil {
		return nil, stop, fmt.Errorf("%w: %s", err, out)
	}
	server, stopServer, err := startOn(2)
	if err != nil {
		return nil, stop, err
	}
	stops = append(stops, stopServer)
	keyBefore = listedKeys(server)[0]
	change = func() *url.URL {
		second, stopSecond, err := startOn(1)
		must(0, err)
		stops = append(stops, stopSecond)
		return second
	}
	return server, stop, nil
}

// listedKeys answers the keys that follow each other.
func listedKeys(server *url.URL) (changing []jwk) {
	answer := must(http.Get(server.String() + "/.well-known/jwks.json"))
	defer answer.Body.Close()
	var listed struct{ Keys []jwk }
	must(0, json.NewDecoder(answer.Body).Decode(&listed))
	for _, key := range listed.Keys {
		if strings.HasPrefix(key.Kid, "d-") {
			changing = append(changing, key)
		}
	}
	return changing
}
