package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// chromium is a headless Chromium, spoken to in its own protocol (Chrome DevTools Protocol, flat sessions) over two pipes.
type chromium struct {
	cmd *exec.Cmd
	in  *os.File

	mu      sync.Mutex // guards what follows
	n       int
	waiting map[int]chan reply
	tabs    map[string]*tab
	ended   chan struct{}
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// startChromium starts the browser, and ends it with the test.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("BEAMLENS_NEED_ERLANG") != "" {
			t.Fatal("Chromium is not installed: run scripts/setup")
		}
		t.Skip("Chromium is not installed")
	}
	profile, err := os.MkdirTemp("", "beamlens-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	theirs, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirsToo, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &chromium{in: in, waiting: map[int]chan reply{}, tabs: map[string]*tab{}, ended: make(chan struct{})}
	c.cmd = exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb", "--lang=en-US", "--remote-debugging-pipe", "--user-data-dir="+profile)
	c.cmd.Env = append(os.Environ(), "TZ=UTC")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children end with it
	c.cmd.ExtraFiles = []*os.File{theirs, theirsToo}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	theirsToo.Close()
	go c.read(out)
	t.Cleanup(func() {
		syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
		c.cmd.Wait()
		in.Close()
		<-c.ended
		out.Close()
		os.RemoveAll(profile) // a child that is ending may still write; the system's temporary files are swept
	})
	return c
}

func (c *chromium) read(out *os.File) {
	defer close(c.ended)
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		raw, err := lines.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID        int
			Result    json.RawMessage
			Error     *struct{ Message string }
			Method    string
			SessionID string
			Params    json.RawMessage
		}
		if json.Unmarshal(raw[:len(raw)-1], &m) != nil {
			continue
		}
		c.mu.Lock()
		waiting, tab := c.waiting[m.ID], c.tabs[m.SessionID]
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		switch {
		case waiting != nil:
			waiting <- reply{m.Result, m.Error}
		case tab != nil:
			tab.event(m.Method, m.Params)
		}
	}
}

func (c *chromium) call(t *testing.T, session, method string, params, result any) {
	t.Helper()
	answer := make(chan reply, 1)
	c.mu.Lock()
	c.n++
	m := map[string]any{"id": c.n, "method": method, "params": params}
	if params == nil {
		m["params"] = map[string]any{}
	}
	if session != "" {
		m["sessionId"] = session
	}
	c.waiting[c.n] = answer
	raw, err := json.Marshal(m)
	if err == nil {
		_, err = c.in.Write(append(raw, 0))
	}
	c.mu.Unlock()
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			t.Fatalf("%s: %s", method, r.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(r.Result, result); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
	case <-c.ended:
		t.Fatalf("%s: Chromium has ended", method)
	case <-time.After(150 * time.Second):
		t.Fatalf("%s: no answer", method)
	}
}

// tab is a page of the browser, with what it has said and asked for.
type tab struct {
	t       *testing.T
	browser *chromium
	session string

	mu       sync.Mutex // guards what follows
	troubles []string   // errors on the console, exceptions, requests that were refused
	requests []string
	loaded   chan struct{}
}

func (c *chromium) open(t *testing.T) *tab {
	t.Helper()
	var target struct{ TargetID string }
	c.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	c.call(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &tab{t: t, browser: c, session: attached.SessionID, loaded: make(chan struct{}, 1)}
	c.mu.Lock()
	c.tabs[p.session] = p
	c.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		p.call(domain+".enable", nil, nil)
	}
	t.Cleanup(func() {
		select {
		case <-c.ended:
		default:
			c.call(t, "", "Target.closeTarget", map[string]any{"targetId": target.TargetID}, nil)
		}
	})
	return p
}

func (p *tab) call(method string, params, result any) {
	p.t.Helper()
	p.browser.call(p.t, p.session, method, params, result)
}

func (p *tab) event(method string, raw json.RawMessage) {
	var e struct {
		Type             string
		Args             []struct{ Value, Description any }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Entry   struct{ Level, Text, URL string }
		Request struct{ URL string }
	}
	if json.Unmarshal(raw, &e) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch method {
	case "Page.loadEventFired":
		select {
		case p.loaded <- struct{}{}:
		default:
		}
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			p.troubles = append(p.troubles, fmt.Sprintf("console.%s %v", e.Type, e.Args))
		}
	case "Runtime.exceptionThrown":
		p.troubles = append(p.troubles, "exception: "+e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.troubles = append(p.troubles, e.Entry.Level+": "+e.Entry.Text+" "+e.Entry.URL)
		}
	case "Network.requestWillBeSent":
		p.requests = append(p.requests, e.Request.URL)
	}
}

// visit goes to an address and waits until it is loaded.
func (p *tab) visit(url string) {
	p.t.Helper()
	p.follow(func() { p.call("Page.navigate", map[string]any{"url": url}, nil) })
}

// follow does something that loads a page, and waits for it.
func (p *tab) follow(do func()) {
	p.t.Helper()
	select {
	case <-p.loaded:
	default:
	}
	do()
	select {
	case <-p.loaded:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the page did not load")
	}
}

// eval evaluates JavaScript, a promise's value too, into result.
func (p *tab) eval(js string, result any) {
	p.t.Helper()
	var r struct {
		Result struct {
			Value       json.RawMessage
			Description string
		}
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.call("Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &r)
	if r.ExceptionDetails != nil {
		p.t.Fatalf("%s\n%s %s", js, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	if result != nil && len(r.Result.Value) > 0 {
		if err := json.Unmarshal(r.Result.Value, result); err != nil {
			p.t.Fatalf("%s: %v in %s", js, err, r.Result.Value)
		}
	}
}

func (p *tab) text(js string) (s string) {
	p.t.Helper()
	p.eval(js, &s)
	return s
}

// until waits until an expression is true.
func (p *tab) until(what, js string) {
	p.t.Helper()
	var ok bool
	// The page tells by itself, so that nothing is asked again and again over the pipe.
	p.eval(`new Promise((done) => { const end = Date.now() + 100000; const look = () => { if (`+js+`) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 50); }; look(); })`, &ok)
	if !ok {
		p.t.Fatalf("it did not happen that %s; the page says: %.600s", what, p.text("document.body.innerText"))
	}
}

// press presses keys, one after the other: letters, or names as Tab and Enter.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27}
	for _, k := range keys {
		down := map[string]any{"type": "keyDown", "key": k}
		if code, named := codes[k]; named {
			down["windowsVirtualKeyCode"], down["code"] = code, k
			if k == "Enter" {
				down["text"] = "\r"
			}
		} else {
			down["text"] = k
		}
		p.call("Input.dispatchKeyEvent", down, nil)
		p.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": k, "windowsVirtualKeyCode": codes[k]}, nil)
	}
}

// look sets the size of the window and the theme of the system.
func (p *tab) look(width, height int, dark, phone bool) {
	p.t.Helper()
	theme := "light"
	if dark {
		theme = "dark"
	}
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}, nil)
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": theme}}}, nil)
}

// shot takes a picture of the page, down to a height.
func (p *tab) shot(file string, width, height int) {
	p.t.Helper()
	var r struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"format": "png", "clip": map[string]any{"x": 0, "y": 0, "width": width, "height": height, "scale": 1}, "captureBeyondViewport": true}, &r)
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	if err == nil {
		err = os.WriteFile(file, raw, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// clean fails when the page has complained, or has asked for anything outside its origin.
func (p *tab) clean(origin string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.troubles {
		p.t.Errorf("the browser says %s", s)
	}
	for _, url := range p.requests {
		if !strings.HasPrefix(url, origin) && url != "about:blank" {
			p.t.Errorf("a request left the origin: %s", url)
		}
	}
	p.troubles = nil
}
