package report_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// liveServer serves a report that a test changes, as amau serve does.
type liveServer struct {
	*httptest.Server
	mu       sync.Mutex
	report   *amau.Report
	broken   bool
	statuses []int
}

func newLiveServer(t *testing.T, r *amau.Report) *liveServer {
	t.Helper()
	s := &liveServer{report: r}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		live, err := report.Live(s.report)
		status := http.StatusOK
		switch {
		case err != nil:
			t.Error(err)
			status = http.StatusInternalServerError
		case s.broken:
			status = http.StatusServiceUnavailable
		case req.Header.Get("If-None-Match") == live.Tag:
			status = http.StatusNotModified
		}
		s.statuses = append(s.statuses, status)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("ETag", live.Tag)
		w.Header().Set("Content-Security-Policy", report.LivePolicy())
		w.WriteHeader(status)
		if status == http.StatusOK {
			_, _ = w.Write(live.HTML)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// change changes the report under the server's lock.
func (s *liveServer) change(f func(*amau.Report)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.report)
}

// answered returns how often the server gave a status.
func (s *liveServer) answered(status int) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, given := range s.statuses {
		if given == status {
			n++
		}
	}
	return n
}

// fast makes timers a hundred times as fast, and keeps what was asked for.
const fast = `window.asked = []; const slow = window.setTimeout; window.setTimeout = (f, ms) => { window.asked.push(ms); return slow(f, ms / 100) };`

func TestPageRefreshesItself(t *testing.T) {
	s := newLiveServer(t, fullYear(t))
	p := open(t, browser(t), s.URL+"/", 1280, 900, false,
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fast}))
	const says = `document.getElementById('live').textContent`
	p.wait(t, says+`.startsWith('Live, updated ')`)
	p.js(t, `window.first = document.getElementById('summary'); document.querySelector('details').open = true; document.querySelector('[data-copy=months-table]').focus(); document.querySelector('#audit .scroll').scrollLeft = 1`)
	p.shoot(t, "live-wide")

	// While nothing changes, the server says so, and nothing on the page is touched.
	waitFor(t, func() bool { return s.answered(http.StatusNotModified) >= 2 })
	if !ask[bool](t, p, `window.first.isConnected`) || ask[string](t, p, `document.getElementById('announce').textContent`) != "" {
		t.Error("the page changed without a change")
	}
	if asked := ask[[]float64](t, p, `window.asked`); asked[0] != 15_000 {
		t.Errorf("it asks every %v ms", asked)
	}

	s.change(func(r *amau.Report) {
		setCounts(r, &r.Periods[4], 20_501, 16_401, 12_300, 2_050)
		r.Coverage.Warnings = nil
	})
	p.wait(t, `document.querySelector('[data-key=used]').textContent === '363,235'`)
	if got := ask[string](t, p, `document.getElementById('announce').textContent`); got != "Used 363,235 of 1,200,000, 30.3 percent" {
		t.Errorf("it announces %q", got)
	}
	for what, expression := range map[string]string{
		"what changed is marked":          `document.querySelector('[data-key=used]').classList.contains('changed')`,
		"what did not is not":             `!document.querySelector('[data-key=expected]').classList.contains('changed')`,
		"the focus stays":                 `document.activeElement.dataset.copy === 'months-table'`,
		"buttons are there again":         `!document.querySelector('[data-copy=months-table]').hidden`,
		"what was opened stays open":      `document.querySelector('details').open`,
		"the warnings are gone":           `!document.getElementById('warnings').textContent.includes('excluded')`,
		"the title has the number":        `document.title.includes('363,235')`,
		"no part is there twice":          `document.querySelectorAll('[data-part]').length === new Set([...document.querySelectorAll('[data-part]')].map((e) => e.id)).size`,
		"the call to load again is gone":  `!document.getElementById('reload')`,
		"parts that say the same are not": `document.getElementById('meaning').isConnected`,
	} {
		if !ask[bool](t, p, expression) {
			t.Errorf("not so: %s", what)
		}
	}
	p.quiet(t)

	// A link keeps the focus too, and numbers that go on changing are not read out each time.
	p.js(t, `document.querySelector('a[href^="report.csv"]').focus()`)
	s.change(func(r *amau.Report) { setCounts(r, &r.Periods[4], 20_502, 16_402, 12_300, 2_050) })
	p.wait(t, `document.querySelector('[data-key=used]').textContent === '363,236'`)
	if got := ask[string](t, p, `document.activeElement.getAttribute('href')`); !strings.HasPrefix(got, "report.csv") {
		t.Errorf("the focus went to %q", got)
	}
	if got := ask[string](t, p, `document.getElementById('announce').textContent`); !strings.Contains(got, "363,235") {
		t.Errorf("right after a number it announces %q", got)
	}

	// What the page says of itself stands apart from when it was counted.
	if !ask[bool](t, p, `document.getElementById('live').getBoundingClientRect().bottom <= document.getElementById('counted').getBoundingClientRect().top + 1`) {
		t.Error("the state of the refresh runs into the time of the count")
	}

	// Parts come and go.
	s.change(func(r *amau.Report) { r.Apps = nil })
	p.wait(t, `!document.getElementById('apps')`)
	s.change(func(r *amau.Report) { r.Apps = []amau.Meter{"app:0oaportal"} })
	p.wait(t, `document.getElementById('apps') && document.getElementById('apps').previousElementSibling.id === 'days'`)
	p.quiet(t)

	// Who asked for less motion gets none.
	p.do(t, media("", "prefers-reduced-motion", "reduce"))
	if got := ask[string](t, p, `(() => { const e = document.querySelector('[data-key=used]'); e.classList.add('changed'); return getComputedStyle(e).animationName })()`); got != "none" {
		t.Errorf("with less motion the animation is %s", got)
	}
	p.do(t, media("", "prefers-reduced-motion", "no-preference"))
}

func TestPageSaysWhenItIsNotRefreshed(t *testing.T) {
	s := newLiveServer(t, fullYear(t))
	p := open(t, browser(t), s.URL+"/", 1280, 900, false,
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fast}))
	const says = `document.getElementById('live').textContent`
	const announced = `document.getElementById('announce').textContent`
	s.change(func(*amau.Report) { s.broken = true })
	p.wait(t, says+`.startsWith('Not updated since ')`)
	if got := ask[string](t, p, announced); got != "The numbers could not be refreshed." {
		t.Errorf("it announces %q", got)
	}
	if got := ask[string](t, p, `document.querySelector('[data-key=used]').textContent`); got != "363,234" {
		t.Errorf("the page shows %s meanwhile", got)
	}
	p.shoot(t, "live-broken")
	s.change(func(*amau.Report) { s.broken = false })
	p.wait(t, says+`.startsWith('Live, updated ')`)
	if got := ask[string](t, p, announced); got != "The numbers are refreshed again." {
		t.Errorf("it announces %q", got)
	}

	// Nobody looks: nothing is asked.
	p.js(t, `Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true}); window.away = true; document.dispatchEvent(new Event('visibilitychange'))`)
	p.wait(t, says+`.startsWith('Paused, updated ')`)
	before := len(s.all())
	p.js(t, `window.waited = false; setTimeout(() => { window.waited = true }, 100000)`) // several times as long as it waits between two questions
	p.wait(t, `window.waited`)
	if n := len(s.all()); n > before {
		t.Errorf("it asks %d times while nobody looks", n-before)
	}
	p.js(t, `window.away = false; document.dispatchEvent(new Event('visibilitychange'))`)
	waitFor(t, func() bool { return len(s.all()) > before })
	p.wait(t, says+`.startsWith('Live, updated ')`)
}

func (s *liveServer) all() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.statuses...)
}

// The page of amau serve asks nobody but its own server, also before its script runs.
func TestLivePageOnAPhone(t *testing.T) {
	s := newLiveServer(t, fullYear(t))
	p := open(t, browser(t), s.URL+"/?as-of=2026-05-20", 360, 740, true)
	p.checkAll(t)
	p.shoot(t, "live-phone-dark")
	p.quiet(t)
	links := ask[string](t, p, `[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href')).join(' ')`)
	if links != "#main report.csv?as-of=2026-05-20 report.json?as-of=2026-05-20" { // the contract's first year, which runs
		t.Errorf("the links are %s", links)
	}
}

// Who reads further down, or the right of a table, goes on reading there.
func TestPageKeepsThePlace(t *testing.T) {
	s := newLiveServer(t, longWarnings(t))
	p := open(t, browser(t), s.URL+"/", 360, 740, false,
		command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fast}))
	p.js(t, `document.getElementById('months').scrollIntoView(); scrollBy(0, 500); document.querySelector('#months .scroll').scrollLeft = 70`)
	const top = `document.getElementById('months').getBoundingClientRect().top`
	before := ask[float64](t, p, top)
	s.change(func(r *amau.Report) { // what is above shrinks by some screens, and what is read changes
		setCounts(r, &r.Periods[4], 20_501, 16_401, 12_300, 2_050)
		r.Coverage.Warnings = nil
	})
	p.wait(t, `document.querySelector('[data-key=used]').textContent === '363,235'`)
	if after := ask[float64](t, p, top); after < before-2 || after > before+2 {
		t.Errorf("the months were at %.0f and are at %.0f", before, after)
	}
	if left := ask[float64](t, p, `document.querySelector('#months .scroll').scrollLeft`); left != 70 {
		t.Errorf("the table is scrolled to %.0f", left)
	}
	p.quiet(t)
}

func TestYearLinks(t *testing.T) {
	for now, want := range map[string]string{
		"2026-05-20T00:00:00Z": "",
		"2027-01-15T00:00:00Z": `<a href="?as-of=2027-01-15">The next contract year</a>`,
	} {
		r := fullYear(t)
		r.GeneratedAt = instant(t, now)
		checkLinks(t, now, r, want)
	}
	second := newReport(t, "2025-01-15=1", amau.ByContract, "UTC", "2026-03-01T00:00:00Z")
	checkLinks(t, "in the second year", second, `<a href="?as-of=2026-01-14">The contract year before</a>`)
	checkLinks(t, "without a contract", emptyLedger(t), `<a href="?as-of=2025-12-31">The contract year before</a>`)
}

func checkLinks(t *testing.T, when string, r *amau.Report, want string) {
	t.Helper()
	live, err := report.Live(r)
	if err != nil {
		t.Fatal(err)
	}
	page := string(live.HTML)
	if want == "" && strings.Contains(page, "<nav") || !strings.Contains(page, want) {
		t.Errorf("%s: the page does not have %q", when, want)
	}
	if file := string(written(t, report.FormatHTML, r)); strings.Contains(file, "?as-of=") || strings.Contains(file, "report.csv") {
		t.Errorf("%s: the file has links to a server", when)
	}
}

// The tag is the same as long as the page says the same, whenever it was made.
func TestLiveTag(t *testing.T) {
	tag := func(change func(*amau.Report)) string {
		r := fullYear(t)
		change(r)
		live, err := report.Live(r)
		if err != nil {
			t.Fatal(err)
		}
		return live.Tag
	}
	first := tag(func(*amau.Report) {})
	if same := tag(func(r *amau.Report) { r.GeneratedAt = r.GeneratedAt.Add(time.Second); r.AsOf = r.GeneratedAt }); same != first {
		t.Error("the time of the count changes the tag")
	}
	if other := tag(func(r *amau.Report) { setCounts(r, &r.Periods[0], 80_001) }); other == first {
		t.Error("a number does not change the tag")
	}
}
