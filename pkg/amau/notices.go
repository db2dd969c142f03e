package amau

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NoticeKind is why somebody is told something.
type NoticeKind string

// The kinds of notices.
const (
	NoticeClosed   NoticeKind = "closed"   // a period was closed
	NoticeUsed     NoticeKind = "used"     // a share of the purchased amount is used
	NoticeExceeded NoticeKind = "forecast" // the forecast is above the purchased amount for the first time
)

// Notice is something that people are told once.
type Notice struct {
	Kind    NoticeKind
	Percent int           // of [NoticeUsed]: the threshold, in percent of the purchased amount
	Period  *PeriodReport // of [NoticeClosed]: the one in Report
	Report  *Report       // of the year that it is about
}

// noteNotice begins the names of the notes that say what was sent.
const noteNotice = "notice/"

// Name identifies the notice in the ledger. It holds what must change for it to be given again:
// another year, period or threshold, or another purchased amount.
func (n *Notice) Name() string {
	parts := []string{string(n.Kind), n.Report.Year.Start.String(), strconv.FormatInt(n.Report.Year.Purchased, 10)}
	switch n.Kind {
	case NoticeClosed:
		parts = []string{string(n.Kind), n.Period.Key()}
	case NoticeUsed:
		parts = append(parts, strconv.Itoa(n.Percent))
	}
	return strings.Join(parts, "/")
}

// NoticeConfig says what is told to whom. Its AsOf is not used: notices are about now.
type NoticeConfig struct {
	ReportConfig
	Thresholds []int         // percents of the purchased amount; nil: DefaultThresholds
	To         []string      // the recipients
	Lease      time.Duration // longer than a run can take to send one mail to each of them; zero: 15 minutes
}

// DefaultThresholds returns the percents at which a notice is given: 80, 90 and 100.
func DefaultThresholds() []int { return []int{80, 90, 100} }

func (cfg NoticeConfig) withDefaults() NoticeConfig {
	if cfg.Thresholds == nil {
		cfg.Thresholds = DefaultThresholds()
	}
	if cfg.Lease <= 0 {
		cfg.Lease = 15 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// NoticesOf returns what a report gives cause to tell, apart from what done says was told. Of
// several thresholds that were passed since, only the highest is told. A period is told of when
// it ended after since.
func NoticesOf(r *Report, thresholds []int, since time.Time, done func(name string) bool) []Notice {
	var due []Notice
	add := func(n Notice) {
		if !done(n.Name()) {
			due = append(due, n)
		}
	}
	for i := range r.Periods {
		if p := &r.Periods[i]; p.State == Final && p.End.After(since) {
			add(Notice{Kind: NoticeClosed, Period: p, Report: r})
		}
	}
	purchased := r.Year.Purchased
	if purchased <= 0 {
		return due
	}
	for _, percent := range slices.Backward(slices.Sorted(slices.Values(thresholds))) {
		n := Notice{Kind: NoticeUsed, Percent: percent, Report: r}
		if float64(r.Used) >= float64(purchased)*float64(percent)/100 {
			add(n)
			break // the lower ones are said by this one
		}
	}
	if r.Forecast != nil && r.Forecast.Total > purchased && r.Used < purchased {
		add(Notice{Kind: NoticeExceeded, Report: r})
	}
	return due
}

// DueNotices returns what is to be told now: about the running contract year, the year before
// as long as late events can change it, and every period that was closed and not told of,
// however many days or months were missed. Of what happened before the first call ever, only
// the last period is told.
func DueNotices(ctx context.Context, store Store, cfg NoticeConfig) ([]Notice, error) {
	cfg = cfg.withDefaults()
	now := cfg.Now()
	since, err := noticesSince(ctx, store, cfg.Org, cfg.Contract.PeriodOf(now))
	if err != nil {
		return nil, err
	}
	markers, err := readMarkers(ctx, store, cfg.Org)
	if err != nil {
		return nil, err
	}
	done := func(name string) bool { return !markers[name].Done.IsZero() }
	starts := map[Date]time.Time{} // :: start of a year -> an instant in it
	note := func(t time.Time) { starts[cfg.Contract.YearOf(t).Start] = t }
	note(now)
	running := cfg.Contract.YearOf(now)
	if begun := running.Periods[0].Start; now.Before(begun.Add(lateEvents)) && begun.After(since) {
		note(begun.Add(-1))
	}
	for c, err := range Closes(ctx, store, cfg.Org) {
		if err != nil {
			return nil, err
		}
		if c.Period.End.After(since) && !done(string(NoticeClosed)+"/"+c.Period.Key()) {
			note(c.Period.Start)
		}
	}
	var due []Notice
	for _, at := range slices.SortedFunc(maps.Values(starts), time.Time.Compare) {
		cfg.AsOf = at
		r, err := BuildReport(ctx, store, cfg.ReportConfig)
		if err != nil {
			return nil, fmt.Errorf("see what is to be told: %w", err)
		}
		due = append(due, NoticesOf(r, cfg.Thresholds, since, done)...)
	}
	return due, nil
}
