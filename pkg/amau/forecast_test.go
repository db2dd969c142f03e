package amau_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// update writes the table of docs/forecast.md: go test ./pkg/amau -run Backtest -update.
var update = flag.Bool("update", false, "write the tables that are computed")

// figures is a store of which only the numbers are known: how many users each period has, and
// how they came day by day.
type figures struct {
	*memory
	users map[string]int64 // :: period key -> on every meter
}

func (f *figures) Count(_ context.Context, _, period string, meters []amau.Meter, _ amau.Meter) ([]int64, map[amau.Source]int64, error) {
	return slices.Repeat([]int64{f.users[period]}, len(meters)), map[amau.Source]int64{amau.FromPull: f.users[period]}, nil
}

// month is one month of a simulated business.
type month struct {
	amau.Period
	users int64
	daily []int64
}

func newFigures() *figures { return &figures{newMemory(), map[string]int64{}} }

// put writes a note, as a ledger has it.
func (f *figures) put(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	f.notes["acme/"+name] = amau.Note{Name: name, Value: text, Version: 1}
}

// closed adds a month that was closed.
func (f *figures) closed(m month) {
	f.put("writer/period/"+m.Key(), m.Period)
	f.put("close/"+m.Key(), amau.Close{Period: m.Period, Daily: m.daily,
		PeriodCount: amau.PeriodCount{Counts: map[amau.Meter]int64{amau.Total: m.users}, FirstSeenBy: map[amau.Source]int64{amau.FromPull: m.users}}})
	f.users[m.Key()] = m.users
}

// running adds what is known of a month up to an instant, which ends a day.
func (f *figures) running(m month, now time.Time) {
	f.put("writer/period/"+m.Key(), m.Period)
	f.users[m.Key()] = 0
	for i, n := range m.daily {
		day := m.Start.AddDate(0, 0, i)
		if !day.Before(now) {
			break
		}
		f.users[m.Key()] += n
		name := day.Format(time.DateOnly)
		f.tallies["acme/"+name+"/pull"] = amau.Tally{Source: amau.FromPull, Day: name, Events: n, NewClaims: n, LastEvent: day.Add(24*time.Hour - 1)}
	}
}

// business says how the active users of a month develop: a factor for month m of the contract
// year, which is below 0 before it.
type business struct {
	name   string
	factor func(m int) float64
}

func season(m int) float64 { return 1 + 0.35*math.Sin(2*math.Pi*float64(m-2)/12) }
func rate(r float64) func(int) float64 {
	return func(m int) float64 { return math.Pow(1+r, float64(m)) }
}

var businesses = []business{
	{"steady", rate(0)},
	{"growing 3 % a month", rate(0.03)},
	{"growing 8 % a month", rate(0.08)},
	{"shrinking 3 % a month", rate(-0.03)},
	{"seasonal, ± 35 %", season},
	{"seasonal, growing 2 % a month", func(m int) float64 { return season(m) * rate(0.02)(m) }},
	{"a step of + 50 % after 6 months", func(m int) float64 { return 1 + 0.5*float64(min(1, max(0, m-5))) }},
	{"one odd month, + 60 %, the fourth", func(m int) float64 {
		if m == 3 {
			return 1.6
		}
		return 1
	}},
}

// months simulates a business from so many months before the contract year to its end. A third
// of the users is there nearly every second day, the others now and then; weekends are quiet;
// all of it varies by chance.
func (b business) months(c *amau.Contract, before int, seed uint64) []month {
	rng := rand.New(rand.NewPCG(seed, 1))
	var list []month
	p := c.PeriodOf(time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC).AddDate(0, -before, 0))
	for m := -before; m < 12; m++ {
		users := 80_000 * b.factor(m) * math.Exp(0.025*rng.NormFloat64())
		days := int(p.End.Sub(p.Start).Hours() / 24)
		share, active := make([]float64, days), 0.0
		for d := range share {
			today := math.Exp(0.08 * rng.NormFloat64())
			if wd := p.Start.AddDate(0, 0, d).Weekday(); wd == time.Saturday || wd == time.Sunday {
				today *= 0.55
			}
			active += today
			share[d] = 0.35*(1-math.Pow(0.55, active)) + 0.40*(1-math.Pow(0.92, active)) + 0.25*(1-math.Pow(0.98, active))
		}
		next := month{Period: p}
		for d := range share {
			n := int64(users*share[d]/share[days-1]) - next.users
			next.daily = append(next.daily, n)
			next.users += n
		}
		list = append(list, next)
		p = c.PeriodOf(p.End)
	}
	return list
}

// reportAfter returns the report when so many days of the month are over.
func (f *figures) reportAfter(t *testing.T, c *amau.Contract, m month, days int) *amau.Report {
	t.Helper()
	now := m.Start.AddDate(0, 0, days)
	f.running(m, now)
	r, err := amau.BuildReport(t.Context(), f, amau.ReportConfig{Org: "acme", Contract: c, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// score collects how far off forecasts were.
type score struct{ off, inRange, n float64 }

func (s *score) add(total, low, high, is int64) {
	s.n++
	s.off += math.Abs(float64(total)/float64(is) - 1)
	if low <= is && is <= high {
		s.inRange++
	}
}

func (s *score) String() string {
	if s.n == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f (%.0f)", 100*s.off/s.n, 100*s.inRange/s.n)
}

// TestForecastBacktest writes down how far off the forecast is on simulated years, and fails
// when docs/forecast.md says otherwise.
func TestForecastBacktest(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the last digits of the table may differ on " + runtime.GOARCH)
	}
	t.Parallel() // with the other long ones
	const years = 10
	shown := []int{0, 1, 2, 3, 5, 7, 9, 11}
	var table bytes.Buffer
	fmt.Fprint(&table, "| business | earlier months | after 0 months | 1 | 2 | 3 | 5 | 7 | 9 | 11 | month, day 5 | day 15 | day 25 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	c := contract(t, "2025-01-15=1000000", amau.ByContract, "UTC")
	for _, before := range []int{24, 12, 0} {
		for _, b := range businesses {
			year, day := map[int]*score{}, map[int]*score{}
			for seed := range uint64(years) {
				list := b.months(c, before, seed)
				var is int64
				for _, m := range list[before:] {
					is += m.users
				}
				f := newFigures()
				for i, m := range list {
					over := i - before
					if slices.Contains(shown, over) {
						for _, days := range []int{5, 15, 25} {
							forecast := f.reportAfter(t, c, m, days).Forecast
							if forecast == nil {
								continue
							}
							if days == 15 {
								addScore(year, over, forecast.Total, forecast.Low, forecast.High, is)
							}
							running := forecast.Months[0]
							addScore(day, days, running.Total, running.Low, running.High, m.users)
						}
					}
					f.closed(m)
				}
			}
			fmt.Fprintf(&table, "| %s | %d ", b.name, before)
			for _, over := range shown {
				fmt.Fprintf(&table, "| %s ", orNone(year[over]))
			}
			for _, days := range []int{5, 15, 25} {
				fmt.Fprintf(&table, "| %s ", orNone(day[days]))
			}
			fmt.Fprintln(&table, "|")
		}
	}
	checkTable(t, "../../docs/forecast.md", table.String())
}

func orNone(s *score) *score {
	if s == nil {
		return &score{}
	}
	return s
}

func addScore(scores map[int]*score, key int, total, low, high, is int64) {
	if scores[key] == nil {
		scores[key] = &score{}
	}
	scores[key].add(total, low, high, is)
}

// checkTable compares what stands between two marks of a page with what was computed, or writes
// it there.
func checkTable(t *testing.T, path, want string) {
	t.Helper()
	const begin, end = "<!-- backtest begins -->\n", "<!-- backtest ends -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s lacks the marks of the table", path)
	case *update:
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o666); err != nil {
			t.Fatal(err)
		}
	case got != want:
		t.Errorf("the table of %s is not what is computed; write it with: go test ./pkg/amau -run Backtest -update\n%s", path, want)
	}
}
