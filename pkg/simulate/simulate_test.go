package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// config is a contract year of 40 people, anchored on a day that not every month has.
func config(t testing.TB) Config {
	t.Helper()
	zone, err := time.LoadLocation("Pacific/Auckland")
	must(t, err)
	start := amau.Date{Year: 2025, Month: time.January, Day: 31}
	contract, err := amau.NewContract([]amau.Term{{Start: start, Purchased: 5000}}, amau.ByContract, zone)
	must(t, err)
	return Config{Users: 40, Months: 12, Seed: 7, Contract: contract, Start: time.Date(2025, time.January, 31, 0, 0, 0, 0, zone)}
}

func generator(t testing.TB, cfg Config) *Generator {
	t.Helper()
	g, err := New(cfg)
	must(t, err)
	return g
}

func write(t testing.TB, cfg Config, as Shape) ([]byte, Truth) {
	t.Helper()
	var buf bytes.Buffer
	g := generator(t, cfg)
	must(t, g.Write(&buf, as, 20, nil))
	return buf.Bytes(), g.Truth()
}

// logEvents decodes NDJSON with the standard library.
func logEvents(t testing.TB, data []byte) []map[string]any {
	t.Helper()
	var events []map[string]any
	for line := range bytes.Lines(data) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

func TestSameBytes(t *testing.T) {
	first, truth := write(t, config(t), NDJSON)
	second, again := write(t, config(t), NDJSON)
	if !bytes.Equal(first, second) || fmt.Sprint(truth) != fmt.Sprint(again) {
		t.Error("the same config gives other bytes")
	}
	cfg := config(t)
	cfg.Seed++
	if other, _ := write(t, cfg, NDJSON); bytes.Equal(first, other) {
		t.Error("another seed gives the same bytes")
	}
}

// TestTruthInEveryShape counts what our decoder and our rules make of every shape.
func TestTruthInEveryShape(t *testing.T) {
	for _, name := range ShapeNames() {
		for _, hookOnly := range []bool{false, true} {
			if hookOnly && name != string(Hook) {
				continue
			}
			t.Run(fmt.Sprintf("%s,%v", name, hookOnly), func(t *testing.T) {
				cfg := config(t)
				cfg.HookOnly = hookOnly
				data, truth := write(t, cfg, Shape(name))
				if truth.AMAU == 0 || (truth.AMAU < truth.AMAUOfAllTypes) != hookOnly {
					t.Errorf("aMAU %d of %d", truth.AMAU, truth.AMAUOfAllTypes)
				}
				equal(t, cfg, data, truth)
			})
		}
	}
}

func equal(t *testing.T, cfg Config, data []byte, truth Truth) {
	t.Helper()
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	must(t, err)
	recorder, err := amau.NewRecorder(amau.Config{Org: "test", Contract: cfg.Contract, Keyer: keyer}, nil)
	must(t, err)
	decoder := okta.NewDecoder(nil, false)
	counts := map[string]map[amau.Meter]int64{}
	seen := map[amau.ClaimID]bool{}
	var events int64
	var doc okta.Document
	blocks := okta.NewBlocks(bytes.NewReader(data))
	for {
		b, err := blocks.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		decoder.DecodeBlock(b, &doc, func(r okta.Rejected) { t.Fatalf("line %d: %v", r.Line, r.Err) })
		events += int64(len(doc.Events))
		batch := recorder.Batch(amau.FromImport, doc.Events)
		for _, c := range batch.Claims {
			if seen[c.ID()] {
				continue
			}
			seen[c.ID()] = true
			if counts[c.Period] == nil {
				counts[c.Period] = map[amau.Meter]int64{}
			}
			counts[c.Period][c.Meter]++
		}
		b.Release()
	}
	if events != truth.Events {
		t.Errorf("%d events, want %d", events, truth.Events)
	}
	if len(counts) != len(truth.Periods) || len(truth.Periods) != 12 {
		t.Errorf("%d periods, the truth has %d, want 12", len(counts), len(truth.Periods))
	}
	for _, p := range truth.Periods {
		for m, want := range p.Meters {
			if got := counts[amau.Period{Start: p.Start}.Key()][m]; got != want {
				t.Errorf("%s %s: %d, the truth is %d", p.ID, m, got, want)
			}
		}
	}
}

func TestTraffic(t *testing.T) {
	cfg := config(t)
	cfg.Users = 200 // so that what is rare happens
	g := generator(t, cfg)
	seen, types := [kinds]int{}, map[string]bool{}
	var newest, late, onBoundary, events int64
	uuids := map[string]int{}
	for {
		e, ok := g.plan()
		if !ok {
			break
		}
		events++
		seen[e.kind]++
		types[specs[e.kind].eventType] = true
		at := time.UnixMilli(e.published)
		if at.Before(cfg.Start) || !at.Before(g.end) {
			t.Errorf("published %v", at)
		}
		if p := cfg.Contract.PeriodOf(at); at.Equal(p.Start) || at.Equal(p.End.Add(-time.Millisecond)) {
			onBoundary++
		}
		if e.arrives < newest {
			t.Fatal("not in order of arrival")
		}
		if e.published < newest-3_600_000 {
			late++
		}
		newest = max(newest, e.arrives)
		uuids[fmt.Sprint(e.serial)]++
	}
	for k, n := range seen {
		if n == 0 {
			t.Errorf("%s (kind %d) never happens", specs[k].eventType, k)
		}
	}
	for _, rule := range amau.DefaultRules().All() {
		if !types[rule.Type] {
			t.Errorf("%s never happens", rule.Type)
		}
	}
	twice := events - int64(len(uuids))
	if onBoundary < events/1000 || late < events/300 || twice < events/300 {
		t.Errorf("of %d events %d on a boundary, %d late, %d twice", events, onBoundary, late, twice)
	}
}

// TestSpecs compares what is written down here with the rules: one of them is wrong if they
// differ.
func TestSpecs(t *testing.T) {
	rules := amau.DefaultRules()
	for k, s := range specs {
		rule, counts := rules.Lookup(s.eventType)
		if s.meter != "" && (!counts || rule.Meter != s.meter) {
			t.Errorf("kind %d counts on %q, by the rules on %q", k, s.meter, rule.Meter)
		}
		if counts && rule.Hook != s.hook {
			t.Errorf("kind %d by hook: %v, by the rules %v", k, s.hook, rule.Hook)
		}
	}
}

func TestShapeOfEvents(t *testing.T) {
	cfg := config(t)
	cfg.Users, cfg.Months = 200, 2
	data, truth := write(t, cfg, NDJSON)
	if size := int64(len(data)) / truth.Events; size < 1500 || size > 2100 {
		t.Errorf("an event has %d bytes, real ones some 1,800", size)
	}
	absent, null := map[string]int{}, map[string]int{}
	for _, e := range logEvents(t, data) {
		for _, name := range []string{"uuid", "published", "eventType", "actor", "outcome", "request", "target", "debugContext", "device"} {
			if v, ok := e[name]; !ok {
				absent[name]++
			} else if v == nil {
				null[name]++
			}
		}
	}
	for _, name := range []string{"uuid", "published", "eventType", "outcome", "request"} {
		if absent[name]+null[name] > 0 {
			t.Errorf("%s is missing in %d events", name, absent[name]+null[name])
		}
	}
	if absent["target"] == 0 || null["target"] == 0 || null["actor"] == 0 || absent["device"] == 0 || null["device"] == 0 {
		t.Errorf("absent %v, null %v", absent, null)
	}
}

func TestUserIDs(t *testing.T) {
	cfg := config(t)
	cfg.Users = 20_000
	g := generator(t, cfg)
	seen := map[string]bool{}
	for n := range cfg.Users {
		id := g.UserID(n)
		if len(id) != 20 || id[:3] != "00u" {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
	if len(seen) != cfg.Users {
		t.Errorf("%d ids of %d users", len(seen), cfg.Users)
	}
}

func TestEvents(t *testing.T) {
	for _, want := range []int{2_000, 12_000} {
		for _, hookOnly := range []bool{false, true} {
			cfg := config(t)
			cfg.Events, cfg.HookOnly = want, hookOnly
			_, truth := write(t, cfg, NDJSON)
			if off := float64(truth.Events)/float64(want) - 1; off < -0.05 || off > 0.05 {
				t.Errorf("%d events, want about %d", truth.Events, want)
			}
		}
	}
}

func TestBadConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no users":        func(c *Config) { c.Users = 0 },
		"too many users":  func(c *Config) { c.Users = maxUsers + 1 },
		"no months":       func(c *Config) { c.Months = 0 },
		"no contract":     func(c *Config) { c.Contract = nil },
		"no start":        func(c *Config) { c.Start = time.Time{} },
		"negative events": func(c *Config) { c.Events = -1 },
		"over 1":          func(c *Config) { c.Late = 1.1 },
	} {
		cfg := config(t)
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := generator(t, config(t)).Write(io.Discard, "xml", 0, nil); err == nil {
		t.Error("a shape that does not exist: no error")
	}
}

func TestMonths(t *testing.T) {
	zone := time.UTC
	for _, c := range []struct{ from, to string }{
		{"2025-01-31", "2025-02-28"}, {"2024-01-31", "2024-02-29"}, {"2025-12-15", "2026-01-15"}, {"2025-03-31", "2025-04-30"},
	} {
		from, err := time.Parse(time.DateOnly, c.from)
		must(t, err)
		if got := addMonths(from, 1, zone).Format(time.DateOnly); got != c.to {
			t.Errorf("%s and a month is %s, want %s", c.from, got, c.to)
		}
	}
}

// BenchmarkWrite measures how fast events are made; b.N events of about 1.8 KB.
func BenchmarkWrite(b *testing.B) {
	cfg := config(b)
	cfg.Users = 5000
	g := generator(b, cfg)
	var size int64
	buf := make([]byte, 0, 8192)
	b.ResetTimer()
	for range b.N {
		if buf = g.Next(buf[:0], false); buf == nil {
			g.reset()
			continue
		}
		size += int64(len(buf))
	}
	b.SetBytes(size / int64(b.N))
}
