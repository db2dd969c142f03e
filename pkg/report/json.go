package report

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// schemaVersion is raised when a member changes its meaning or goes; new members do not raise it.
const schemaVersion = 1

// document is the report as JSON. cmd/amau/OUTPUT.md promises each member.
type document struct {
	Version     int        `json:"version"`
	Org         string     `json:"org"`
	GeneratedAt string     `json:"generated_at"` // RFC 3339, UTC
	AsOf        string     `json:"as_of"`        // date in the contract's time zone
	Timezone    string     `json:"timezone"`     // IANA name
	PeriodsBy   string     `json:"periods_by"`
	Contract    contract   `json:"contract"`
	AMAU        int64      `json:"amau"`    // sum of the periods' amau
	Periods     []period   `json:"periods"` // in order
	Apps        []app      `json:"apps"`    // the most used first
	Coverage    coverage   `json:"coverage"`
	Exclusions  exclusions `json:"exclusions"`

	Comparison *comparison `json:"comparison,omitempty"` // only where it was asked for
}

type contract struct {
	Start       string       `json:"start"` // dates; End is the first day after the year
	End         string       `json:"end"`
	Purchased   *int64       `json:"purchased"`
	Used        int64        `json:"used"`
	Remaining   *int64       `json:"remaining"`       // below 0 when exceeded
	UsedPercent *json.Number `json:"used_percent"`    // one decimal
	Elapsed     json.Number  `json:"elapsed_percent"` // of the year, one decimal
	Forecast    *forecast    `json:"forecast"`
	NoForecast  *string      `json:"no_forecast"` // why there is none
}

type forecast struct {
	Total       int64           `json:"total"`
	Low         int64           `json:"low"`
	High        int64           `json:"high"`
	ExhaustedOn *string         `json:"exhausted_on"` // date
	Method      string          `json:"method"`
	Months      []monthForecast `json:"months"` // the running and the coming ones
}

type monthForecast struct {
	ID    string `json:"id"`
	Total int64  `json:"total"`
	Low   int64  `json:"low"`
	High  int64  `json:"high"`
}

type period struct {
	ID           string                     `json:"id"`
	Start        string                     `json:"start"` // RFC 3339, UTC
	End          string                     `json:"end"`
	State        amau.PeriodState           `json:"state"`
	AMAU         int64                      `json:"amau"`
	Meters       object[amau.Meter, int64]  `json:"meters"`
	FirstSeenBy  object[amau.Source, int64] `json:"first_seen_by"`
	LostByHook   *int64                     `json:"lost_by_hook"`
	Digest       *string                    `json:"digest"`
	RestatedFrom *int64                     `json:"restated_from"`
}

// app is one application's use; all those without a meter of their own have the id null.
type app struct {
	ID       *string               `json:"id"`
	AMAU     int64                 `json:"amau"`
	ByPeriod object[string, int64] `json:"by_period"` // the periods with users
}

type coverage struct {
	Sources  object[amau.Source, source] `json:"sources"`
	Pull     *pulled                     `json:"pull"`
	Warnings []string                    `json:"warnings"`
}

// pulled is how far the System Log was read.
type pulled struct {
	From     string  `json:"from"`      // RFC 3339, UTC
	CaughtUp *string `json:"caught_up"` // RFC 3339, UTC
}

type source struct {
	LastEvent *string `json:"last_event"` // RFC 3339, UTC
	Events    int64   `json:"events"`
}

// exclusions names applications but only counts users, whose ids are personal data.
type exclusions struct {
	Apps  []string `json:"apps"`
	Users int      `json:"users"`
}

// JSON writes r as the versioned JSON document that OUTPUT.md promises, indented.
func JSON(w io.Writer, r *amau.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(newDocument(r))
}

func newDocument(r *amau.Report) document {
	d := document{
		Version: schemaVersion, Org: r.Org, GeneratedAt: stamp(r.GeneratedAt), AsOf: asOf(r),
		Timezone: r.Contract.Zone().String(), PeriodsBy: string(r.Contract.By()),
		Contract: newContract(r), AMAU: r.Used, Periods: []period{}, Apps: []app{},
		Coverage:   coverage{Warnings: append([]string{}, r.Coverage.Warnings...)},
		Exclusions: exclusions{Apps: []string{}, Users: len(r.Exclusions.Users)}, Comparison: newComparison(r.Comparison),
	}
	for i := range r.Periods {
		d.Periods = append(d.Periods, newPeriod(r, &r.Periods[i]))
	}
	for _, m := range r.Apps {
		d.Apps = append(d.Apps, newApp(r, m))
	}
	for _, s := range amau.Sources() {
		if cover, ok := r.Coverage.Sources[s]; ok {
			d.Coverage.Sources = append(d.Coverage.Sources, member[amau.Source, source]{s, source{orNull(stamp(cover.LastEvent)), cover.Events}})
		}
	}
	if pull := r.Coverage.Pull; pull != nil {
		d.Coverage.Pull = &pulled{stamp(pull.From), orNull(stamp(pull.CaughtUp))}
	}
	for id := range r.Exclusions.Apps {
		d.Exclusions.Apps = append(d.Exclusions.Apps, id)
	}
	slices.Sort(d.Exclusions.Apps)
	return d
}

func newContract(r *amau.Report) contract {
	c := contract{
		Start: r.Year.Start.String(), End: r.Year.End.String(), Used: r.Used,
		Forecast: newForecast(r.Forecast), NoForecast: orNull(r.NoForecast),
		Elapsed: json.Number(tenths(100 * r.Elapsed())),
	}
	if left, known := r.Remaining(); known {
		share := json.Number(percent(r.Used, r.Year.Purchased))
		c.Purchased, c.Remaining, c.UsedPercent = &r.Year.Purchased, &left, &share
	}
	return c
}

func newForecast(f *amau.Forecast) *forecast {
	if f == nil {
		return nil
	}
	out := &forecast{Total: f.Total, Low: f.Low, High: f.High, Method: f.Method, Months: []monthForecast{}}
	if f.ExhaustedOn != nil {
		out.ExhaustedOn = orNull(f.ExhaustedOn.String())
	}
	for _, m := range f.Months {
		out.Months = append(out.Months, monthForecast(m))
	}
	return out
}

func newPeriod(r *amau.Report, p *amau.PeriodReport) period {
	out := period{
		ID: p.ID, Start: p.Start.UTC().Format(time.RFC3339), End: p.End.UTC().Format(time.RFC3339), State: p.State,
		AMAU: p.AMAU(), LostByHook: p.LostByHook, Digest: orNull(p.Digest), RestatedFrom: p.RestatedFrom,
	}
	for _, m := range columns(r) {
		out.Meters = append(out.Meters, member[amau.Meter, int64]{m, p.Counts[m]})
	}
	for _, s := range amau.Sources() {
		out.FirstSeenBy = append(out.FirstSeenBy, member[amau.Source, int64]{s, p.FirstSeenBy[s]})
	}
	return out
}

func newApp(r *amau.Report, m amau.Meter) app {
	id, _ := m.App()
	out := app{ID: orNull(id), AMAU: yearCount(r, m), ByPeriod: object[string, int64]{}}
	for i := range r.Periods {
		if p := &r.Periods[i]; p.Counts[m] > 0 {
			out.ByPeriod = append(out.ByPeriod, member[string, int64]{p.ID, p.Counts[m]})
		}
	}
	return out
}

// orNull returns nil, which JSON writes as null, for the empty string.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// object is a JSON object whose members keep their order.
type object[K ~string, V any] []member[K, V]

type member[K ~string, V any] struct {
	name  K
	value V
}

// MarshalJSON writes the members in order.
func (o object[K, V]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
