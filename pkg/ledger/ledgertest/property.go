package ledgertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Property checks that for any set of events, however they are split over sources and writers,
// ordered, repeated and disturbed by faults, the ledger holds exactly what [Naive] says, and
// the report counts exactly that. [Run] calls it; -rapid.checks says how many cases.
func Property(t *testing.T, open Open, o Options) {
	handles := []amau.Store{open(t), open(t)}
	t.Cleanup(func() {
		for _, h := range handles {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	maxEvents := o.PropertyEvents
	if maxEvents == 0 {
		maxEvents = 60
	}
	rapid.Check(t, func(t *rapid.T) {
		c := drawCase(t, maxEvents)
		c.write(t, handles)
		model := Naive(c.definition, c.deliveries)
		Check(t, handles[0], c.definition.Org, model)
		if fresh := c.fresh.Load(); fresh > int64(len(model)) || c.faults == 0 && fresh != int64(len(model)) {
			t.Errorf("%d claims were new, of %d, with %d faults", fresh, len(model), c.faults)
		}
		c.checkReport(t, handles[1], model)
	})
}

// propertyCase is one case: what is delivered by which writers, under which definition.
type propertyCase struct {
	definition Definition
	contract   *amau.Contract
	deliveries []Delivery
	writers    [][]write
	faults     int
	fresh      atomic.Int64 // claims that were new in calls that ended well
}

// write is one delivery to be recorded.
type write struct {
	Delivery
	queued bool // by way of a queue: as a batch in JSON, committed by another
	fault  []Fault
}

func drawCase(t *rapid.T, maxEvents int) *propertyCase {
	c := &propertyCase{}
	c.drawDefinition(t)
	events := c.drawEvents(t, maxEvents)
	// Every event is delivered at least once, some more often, in any order.
	var copies []amau.Event
	for _, e := range events {
		for range rapid.IntRange(1, 3).Draw(t, "copies") {
			copies = append(copies, e)
		}
	}
	if len(copies) > 0 {
		copies = rapid.Permutation(copies).Draw(t, "order")
	}
	c.writers = make([][]write, rapid.IntRange(1, 4).Draw(t, "writers"))
	faults := rapid.SliceOfN(rapid.SampledFrom([]Fault{None, Lost, Kept, Half}), 0, 3)
	faulty := rapid.Bool().Draw(t, "faulty")
	for len(copies) > 0 {
		n := min(rapid.IntRange(1, 9).Draw(t, "size"), len(copies))
		w := write{Delivery: Delivery{Source: rapid.SampledFrom(amau.Sources()).Draw(t, "source"), Events: copies[:n]}}
		copies = copies[n:]
		w.queued = rapid.Bool().Draw(t, "queued")
		if faulty {
			w.fault = faults.Draw(t, "faults")
			c.faults += len(w.fault)
		}
		c.deliveries = append(c.deliveries, w.Delivery)
		for range rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "deliveries") {
			writer := rapid.IntRange(0, len(c.writers)-1).Draw(t, "writer")
			c.writers[writer] = append(c.writers[writer], w)
		}
	}
	return c
}

func (c *propertyCase) drawDefinition(t *rapid.T) {
	d := Definition{
		Org: RandomOrg("property"), PseudonymKey: []byte("a pseudonym key for tests"), Calendar: rapid.Bool().Draw(t, "calendar"),
		Zone:     rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("UTC+13", 13*3600), time.FixedZone("UTC-9:30", -9*3600-1800)}).Draw(t, "zone"),
		Recorded: time.Date(2026, 7, 1, 1, 2, 3, 456e6, time.UTC),
	}
	if n := rapid.IntRange(0, 2).Draw(t, "terms"); n > 0 {
		anchor := func(year int) amau.Term {
			return amau.Term{Start: amau.Date{
				Year: year, Month: time.Month(rapid.IntRange(1, 12).Draw(t, "month")), Day: rapid.SampledFrom([]int{1, 15, 28, 29, 30, 31}).Draw(t, "day"),
			}}
		}
		for i := range n {
			term := anchor(2024 + 2*i)
			last := time.Date(term.Start.Year, term.Start.Month+1, 0, 0, 0, 0, 0, time.UTC).Day()
			term.Start.Day = min(term.Start.Day, last)
			d.Terms = append(d.Terms, term)
		}
	}
	if rapid.Bool().Draw(t, "exclusions") {
		d.ExcludeApps, d.ExcludeUsers = []string{"0oa1", "0oa2"}, []string{"00u1"}
	}
	by := amau.ByContract
	if d.Calendar {
		by = amau.ByCalendar
	}
	contract, err := amau.NewContract(d.Terms, by, d.Zone)
	if err != nil {
		t.Fatal(err)
	}
	c.definition, c.contract = d, contract
}

// drawEvents draws events of few users, of all types and shapes, near the edges of periods.
func (c *propertyCase) drawEvents(t *rapid.T, most int) []amau.Event {
	var edges []time.Time
	for _, m := range c.definition.Months() {
		if y := m.Start.Year(); y >= 2024 && y <= 2027 {
			edges = append(edges, m.Start)
		}
	}
	types := []string{"user.session.end", "app.oauth2.token.grant", "user.session.start.more"}
	for _, rule := range amau.DefaultRules().All() {
		types = append(types, rule.Type)
	}
	user := rapid.SampledFrom([]string{"00u1", "00u2", "00u3", "00U3", "00u33", "", "unknown"})
	app := rapid.SampledFrom([]string{"0oa1", "0oa2", "0oa3", ""})
	near := rapid.SampledFrom([]time.Duration{0, -1, 1, -time.Millisecond, 36 * time.Hour, -36 * time.Hour, 400*time.Hour + 123456789})
	event := rapid.Custom(func(t *rapid.T) amau.Event {
		e := amau.Event{
			Type: rapid.SampledFrom(types).Draw(t, "type"), Published: rapid.SampledFrom(edges).Draw(t, "edge").Add(near.Draw(t, "near")),
			Result:    rapid.SampledFrom([]string{"SUCCESS", "SUCCESS", "SUCCESS", "FAILURE", "", "success"}).Draw(t, "result"),
			GrantType: rapid.SampledFrom([]string{"", "", "authorization_code", "client_credentials"}).Draw(t, "grant"),
		}
		client := amau.Entity{Type: "PublicClientApp", ID: app.Draw(t, "client")}
		instance := amau.Entity{Type: "AppInstance", ID: app.Draw(t, "app")}
		who := amau.Entity{Type: "User", ID: user.Draw(t, "user")}
		switch rapid.IntRange(0, 5).Draw(t, "shape") {
		case 0: // a log-in
			e.Actor, e.Targets = who, []amau.Entity{{Type: "AppUser", ID: "0ua9"}, instance}
		case 1: // a token
			e.Actor, e.Targets, e.ClientID = client, []amau.Entity{{Type: "id_token", ID: "x"}, who}, client.ID
		case 2: // two users: the first usable one
			e.Actor, e.Targets = amau.Entity{Type: "User", ID: user.Draw(t, "actor")}, []amau.Entity{{Type: "User", ID: "unknown"}, who, {Type: "User", ID: "00u9"}}
		case 3:
			e.Actor = amau.Entity{Type: "SystemPrincipal", ID: "SYSTEM"}
		case 4:
			e.Actor, e.Targets = client, []amau.Entity{{Type: "AppUser", ID: "0ua9"}}
		case 5:
			e.Actor, e.ClientID = who, client.ID
		}
		return e
	})
	events := rapid.SliceOfN(event, 0, most).Draw(t, "events")
	for i := range events {
		events[i].UUID = fmt.Sprintf("uuid-%d", i)
	}
	return events
}

// write lets every writer record its deliveries, each repeating what fails.
func (c *propertyCase) write(t *rapid.T, handles []amau.Store) {
	var wg sync.WaitGroup
	failed := make(chan error, len(c.writers))
	for i, writes := range c.writers {
		wg.Go(func() {
			var faults []Fault
			ledger := Faulty(handles[i%len(handles)], func() Fault {
				if len(faults) == 0 {
					return None
				}
				f := faults[0]
				faults = faults[1:]
				return f
			})
			for _, w := range writes {
				faults = w.fault
				if err := c.record(t.Context(), ledger, w); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		t.Errorf("record: %v", err)
	}
}

// record records one delivery, with a recorder of its own as a function's instance has it.
func (c *propertyCase) record(ctx context.Context, ledger amau.Ledger, w write) error {
	keyer, err := amau.NewKeyer(c.definition.PseudonymKey)
	if err != nil {
		return err
	}
	r, err := amau.NewRecorder(amau.Config{
		Org: c.definition.Org, Contract: c.contract, Keyer: keyer, Now: func() time.Time { return c.definition.Recorded },
		Exclusions: amau.NewExclusions(c.definition.ExcludeApps, c.definition.ExcludeUsers),
	}, ledger)
	if err != nil {
		return err
	}
	batch := r.Batch(w.Source, w.Events)
	if w.queued {
		message, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		batch = amau.Batch{}
		if err := json.Unmarshal(message, &batch); err != nil {
			return err
		}
	}
	for {
		err := r.Commit(ctx, &batch)
		if err == nil {
			c.fresh.Add(batch.Summary.New)
			return nil
		}
		if !errors.Is(err, ErrFault) {
			return err
		}
	}
}

// checkReport compares the report of a contract year with the model.
func (c *propertyCase) checkReport(t *rapid.T, store amau.Store, model Model) {
	months := c.definition.Months()
	at := rapid.SampledFrom(slices.DeleteFunc(slices.Clone(months), func(m Month) bool { return m.Start.Year() < 2024 || m.Start.Year() > 2026 })).Draw(t, "as of")
	report, err := amau.BuildReport(t.Context(), store, amau.ReportConfig{
		Org: c.definition.Org, Contract: c.contract, AsOf: at.Start.Add(time.Hour), Now: func() time.Time { return c.definition.Recorded },
	})
	if err != nil {
		t.Fatalf("report: %v", err)
	}
	var used int64
	n := 0
	for _, m := range months {
		if m.Term != at.Term || m.Year != at.Year {
			continue
		}
		if n >= len(report.Periods) || !report.Periods[n].Start.Equal(m.Start) {
			t.Fatalf("period %d of the report is not the one that starts at %v: %+v", n, m.Start, report.Periods)
		}
		for _, meter := range []amau.Meter{"session", "sso", "api", "total"} {
			want := model.Count(Scope{Period: m.Start.UTC().Format("2006-01-02T15:04:05Z"), Meter: meter})
			if got := report.Periods[n].Counts[meter]; got != want {
				t.Errorf("the report counts %d on %s in %v, want %d", got, meter, m.Start, want)
			}
			if meter == "total" {
				used += want
			}
		}
		n++
	}
	if n != len(report.Periods) || report.Used != used {
		t.Errorf("the report has %d periods and an aMAU of %d, want %d and %d", len(report.Periods), report.Used, n, used)
	}
}
