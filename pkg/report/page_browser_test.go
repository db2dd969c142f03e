package report_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// chromium is the one browser of this process, started when the first test asks for it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

func TestMain(m *testing.M) {
	status := m.Run()
	if chromium.end != nil {
		chromium.end()
	}
	os.Exit(status)
}

// browser returns a Chromium that asks no other host for anything by itself. All tests share it: each opens tabs of its own.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := testtools.Tool(t, "chromium")
	chromium.once.Do(func() { chromium.err = startChromium(path) })
	if chromium.err != nil {
		t.Fatalf("start the browser: %v", chromium.err)
	}
	return chromium.ctx
}

func startChromium(path string) error {
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		return err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-default-apps", true), chromedp.Flag("no-first-run", true), chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(time.Minute),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	chromium.ctx, chromium.end = ctx, func() {
		_ = chromedp.Cancel(ctx) // waits for its end
		cancel()
		stop()
		_ = os.RemoveAll(profile)
	}
	return chromedp.Do(ctx)
}

// tab is a page in the browser, with what went wrong in it.
type tab struct {
	ctx context.Context
	own string // what the addresses of all requests must begin with

	mu       sync.Mutex
	troubles []string
	requests []string
}

// open shows an address in a new tab of the size of a window or a telephone.
func open(t *testing.T, browser context.Context, address string, width, height int64, dark bool, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	p := &tab{ctx: ctx, own: address}
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" {
		p.own = u.Scheme + "://" + u.Host + "/"
	}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.do(t,
		command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}),
		chromedp.EmulateViewport(width, height), media("", "prefers-color-scheme", scheme),
	)
	p.do(t, before...)
	p.do(t, chromedp.Navigate(address))
	return p
}

// command is a protocol command whose result does not matter.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// media emulates a medium, "" for the screen, with a feature.
func media(medium, feature, value string) chromedp.Action[chromedp.Void] {
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: []*emulation.MediaFeature{{Name: feature, Value: value}}})
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	trouble := func(format string, args ...any) { p.troubles = append(p.troubles, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		trouble("exception: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		trouble("console.%s", e.Type)
	case *log.EventEntryAdded:
		trouble("log: %s %s: %s", e.Entry.Level, e.Entry.Source, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
		if !strings.HasPrefix(e.Request.URL, p.own) && !strings.HasPrefix(e.Request.URL, "data:") {
			trouble("a request to %s", e.Request.URL)
		}
	}
}

func (p *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// js runs JavaScript in the page.
func (p *tab) js(t *testing.T, script string) {
	t.Helper()
	p.do(t, chromedp.Evaluate[chromedp.Void](script))
}

// ask returns the value of a JavaScript expression.
func ask[T any](t *testing.T, p *tab, expression string) T {
	t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%.80s: %v", expression, err)
	}
	return value
}

// wait polls until an expression is true.
func (p *tab) wait(t *testing.T, expression string) {
	t.Helper()
	end := time.After(30 * time.Second)
	for !ask[bool](t, p, "Boolean("+expression+")") {
		select {
		case <-end:
			t.Fatalf("not within 30 s: %s", expression)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// waitFor polls until something outside the page is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	end := time.After(30 * time.Second)
	for !so() {
		select {
		case <-end:
			t.Fatal("not within 30 s")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// quiet fails for each error, message or foreign request of the page so far.
func (p *tab) quiet(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, trouble := range p.troubles {
		t.Error(trouble)
	}
	p.troubles = nil
}

// shoot keeps a picture of the whole page for a person to look at, who is not there in CI.
func (p *tab) shoot(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		return
	}
	picture, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	root, err := testtools.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "test-output", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

//go:embed testdata/page_checks.js
var pageChecks string

// finding is something that testdata/page_checks.js found wrong.
type finding struct{ What, Where string }

func (p *tab) check(t *testing.T, functions ...string) {
	t.Helper()
	for _, function := range functions {
		for _, f := range ask[[]finding](t, p, "("+pageChecks+")()."+function+"()") {
			t.Errorf("%s: %s: %s", function, f.What, f.Where)
		}
	}
}

func TestPageInABrowser(t *testing.T) {
	b := browser(t)
	dir := t.TempDir()
	for name, r := range pageCases(t) {
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, written(t, report.FormatHTML, r), 0o600); err != nil {
			t.Fatal(err)
		}
		for view, size := range map[string][2]int64{"wide": {1280, 900}, "phone": {360, 740}} {
			t.Run(name+"/"+view, func(t *testing.T) {
				p := open(t, b, "file://"+file, size[0], size[1], false)
				p.checkAll(t)
				p.shoot(t, name+"-"+view)
				p.do(t, media("", "prefers-color-scheme", "dark"))
				p.check(t, "contrast", "graphics", "colors")
				p.shoot(t, name+"-"+view+"-dark")
				p.quiet(t)
			})
		}
	}
}

func (p *tab) checkAll(t *testing.T) {
	t.Helper()
	p.check(t, "ids", "headings", "width", "contrast", "graphics", "colors", "hidden")
	p.names(t)
}

// named are the roles that must have a name in the accessibility tree.
var named = []string{
	"button", "link", "image", "graphics-document", "region", "heading", "table", "rowheader", "columnheader", "DisclosureTriangle", "summary", "img", "RootWebArea",
}

// names checks the accessibility tree, as a screen reader gets it.
func (p *tab) names(t *testing.T) {
	t.Helper()
	tree, err := chromedp.Call(p.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role, name := text(n.Role.Value), ""
		if n.Name != nil {
			name = text(n.Name.Value)
		}
		seen[role]++
		if slices.Contains(named, role) && strings.TrimSpace(name) == "" {
			t.Errorf("a %s has no name", role)
		}
	}
	for _, role := range []string{"main", "banner", "contentinfo", "heading", "table", "status"} {
		if seen[role] == 0 {
			t.Errorf("a screen reader finds no %s; roles: %v", role, seen)
		}
	}
	graphics := ask[int](t, p, `[...document.querySelectorAll('svg[role=img]')].filter((s) => s.checkVisibility()).length`)
	if got := seen["image"] + seen["img"]; got != graphics {
		t.Errorf("a screen reader finds %d graphics of %d", got, graphics)
	}
}

func text(raw []byte) string {
	var s string
	_ = json.Unmarshal(raw, &s) // the empty string for what is none
	return s
}

// Every control is reached with the Tab key, in the order of the page, and shows that it is.
func TestPageByKeyboard(t *testing.T) {
	p := openFile(t, browser(t), "year", 1280, 900)
	p.js(t, `document.querySelector('details').open = true`)
	want := ask[[]string](t, p, `[...document.querySelectorAll('a[href], button, summary, .scroll')].filter((e) => e.checkVisibility()).map((e) => e.className + e.tagName + (e.dataset.copy || ''))`)
	var got []string
	for range want {
		p.do(t, chromedp.KeyEvent(kb.Tab))
		at := ask[struct{ Name, Outline string }](t, p, `(() => { const e = document.activeElement; return { Name: e.className + e.tagName + (e.dataset.copy || ''), Outline: getComputedStyle(e).outlineStyle } })()`)
		got = append(got, at.Name)
		if at.Outline == "none" {
			t.Errorf("%s does not show that it has the focus", at.Name)
		}
	}
	if !slices.Equal(got, want) || len(want) < 8 {
		t.Errorf("Tab goes through\n%q, want\n%q", got, want)
	}
	// The first is the way past the header.
	p.do(t, chromedp.Focus(chromedp.CSS(".skip")), chromedp.KeyEvent(kb.Enter))
	if id := ask[string](t, p, `document.activeElement.id`); id != "main" {
		t.Errorf("the skip link leads to %q", id)
	}
	p.quiet(t)
}

func openFile(t *testing.T, b context.Context, name string, width, height int64, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(file, written(t, report.FormatHTML, pageCases(t)[name]), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, b, "file://"+file, width, height, false, before...)
}

func TestPageWithoutScript(t *testing.T) {
	p := openFile(t, browser(t), "year", 1280, 900, command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	shown, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"363,234", "of 1,200,000", "30.3 %", "1,180,000 to 1,300,000", "20 Dec 2026", "was 80,000 when closed", "0oaportal", "event hook"} {
		if !strings.Contains(shown, want) {
			t.Errorf("without script the page does not say %q", want)
		}
	}
	if strings.Contains(shown, "Copy the table") {
		t.Error("without script the page shows buttons that do nothing")
	}
	p.quiet(t)
}

func TestPageCopiesTables(t *testing.T) {
	b := browser(t)
	const status = `document.querySelector('#months .tools [role=status]').textContent`
	for name, c := range map[string]struct{ prepare, want string }{
		"by the clipboard":     {`window.copied = ''; Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (s) => { window.copied = s }}})`, "Copied."},
		"without permission":   {`Object.defineProperty(navigator, 'clipboard', {value: {writeText: async () => { throw new DOMException('no') }}}); window.copied = ''; document.addEventListener('copy', () => { window.copied = document.activeElement.value })`, "Copied."},
		"without a clipboard":  {`Object.defineProperty(navigator, 'clipboard', {value: undefined}); window.copied = ''; document.addEventListener('copy', () => { window.copied = document.activeElement.value })`, "Copied."},
		"when nothing is left": {`Object.defineProperty(navigator, 'clipboard', {value: undefined}); window.copied = null; document.execCommand = () => false`, "The browser does not allow it. The table is selected: copy it with Ctrl+C or ⌘C."},
	} {
		t.Run(name, func(t *testing.T) {
			p := openFile(t, b, "year", 1280, 900)
			p.js(t, c.prepare)
			p.do(t, chromedp.Click(chromedp.CSS("[data-copy=months-table]"))) // as a person, whom the browser lets copy
			p.wait(t, status+` !== ''`)
			copied, selected := ask[*string](t, p, `window.copied`), ask[string](t, p, `getSelection().toString()`)
			if says := ask[string](t, p, status); says != c.want {
				t.Errorf("it says %q", says)
			}
			if copied == nil {
				if !strings.Contains(selected, "83,500") {
					t.Errorf("selected is %q", selected)
				}
				return
			}
			if !strings.Contains(*copied, "\n15 Feb – 14 Mar 2026\t83500\t163500\t\t66800\t50100\t8350\tclosed was 80,000 when closed\n") || strings.Count(*copied, "\n") != 13 {
				t.Errorf("copied is\n%s", *copied)
			}
			p.quiet(t)
		})
	}
}

// What is said twice is read out twice only if it was gone in between.
func TestPageSaysItAgain(t *testing.T) {
	p := openFile(t, browser(t), "year", 1280, 900)
	p.js(t, `Object.defineProperty(navigator, 'clipboard', {value: {writeText: async () => {}}})
		const status = document.querySelector('#months .tools [role=status]')
		window.said = []
		new MutationObserver(() => { window.said.push(status.textContent) }).observe(status, {childList: true})`)
	for range 2 {
		before := ask[int](t, p, `window.said.length`)
		p.do(t, chromedp.Click(chromedp.CSS("[data-copy=months-table]")))
		p.wait(t, fmt.Sprintf(`window.said.length > %d && window.said.at(-1) === 'Copied.'`, before))
	}
	if said := ask[[]string](t, p, `window.said`); strings.Join(said, "|") != "Copied.||Copied." {
		t.Errorf("it said %q", said)
	}
	p.quiet(t)
}

// On paper there are no buttons and no dark ground.
func TestPageOnPaper(t *testing.T) {
	p := openFile(t, browser(t), "year", 800, 1100)
	p.do(t, media("print", "prefers-color-scheme", "dark"))
	if ground := ask[string](t, p, `getComputedStyle(document.body).backgroundColor`); ground != "rgb(255, 255, 255)" {
		t.Errorf("paper is %s", ground)
	}
	p.check(t, "contrast")
	p.shoot(t, "year-paper")
	if pdf, err := chromedp.Run(p.ctx, chromedp.PrintToPDF()); err != nil || len(pdf) < 10_000 {
		t.Errorf("a PDF of %d bytes, %v", len(pdf), err)
	}
	p.quiet(t)
}
