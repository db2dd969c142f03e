package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/awsenv"
	"github.com/okta-amau/okta-amau/pkg/deployed"
	"github.com/okta-amau/okta-amau/pkg/ledger/dynamo"
	"github.com/okta-amau/okta-amau/pkg/metrics"
	"github.com/okta-amau/okta-amau/pkg/notify"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// handler closes periods, makes the report of the contract year that runs, and sends mails.
type handler struct {
	*deployed.Settings
	store amau.Store
	mail  *mailing // nil: no mails
	now   func() time.Time
}

func newHandler(getenv func(string) string, w io.Writer) (*handler, error) {
	settings, err := deployed.Read("report", getenv, w)
	if err != nil {
		return nil, err
	}
	aws, err := awsenv.Config(getenv)
	if err != nil {
		return nil, err
	}
	store, err := dynamo.Open(aws, settings.Table, dynamo.Options{})
	if err != nil {
		return nil, err
	}
	mail, err := newMailing(getenv, aws)
	if err != nil {
		return nil, err
	}
	return &handler{settings, store, mail, time.Now}, nil
}

// handle does the day's work, whatever started it: the schedule's event has nothing that it
// needs, and a run that was missed is made good by the next. It may run twice at once.
//
// The mails come last: whatever happens to them, the number is there.
func (h *handler) handle(ctx context.Context, _ json.RawMessage) error {
	day, err := notify.Count(ctx, h.store,
		amau.CloseConfig{Org: h.Org, Contract: h.Contract, Rules: h.Rules, Now: h.now},
		amau.ReportConfig{Org: h.Org, Contract: h.Contract, Rules: h.Rules, Exclusions: h.Exclusions, Now: h.now})
	if err != nil {
		return err
	}
	for _, c := range day.Closed {
		h.Log.InfoContext(ctx, "closed", slog.String("period", c.Period.ID), slog.Int64("amau", c.Counts[amau.Total]), slog.String("digest", c.Digest))
	}
	if err := h.keep(ctx, day.Report); err != nil {
		return err
	}
	if err := h.measure(ctx, day.Report); err != nil {
		return err
	}
	return h.send(ctx, day)
}

// noteReport is the note that holds the newest report as JSON.
const noteReport = "report/latest"

// keep keeps the report in the ledger. Of two runs at once either may be the one that stays.
func (h *handler) keep(ctx context.Context, r *amau.Report) error {
	var text bytes.Buffer
	if err := report.JSON(&text, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	note, err := h.store.Note(ctx, h.Org, noteReport)
	if err != nil {
		return fmt.Errorf("keep the report: %w", err)
	}
	note.Name, note.Value = noteReport, text.Bytes()
	if _, err := h.store.PutNote(ctx, h.Org, note); err != nil && !errors.Is(err, amau.ErrConflict) {
		return fmt.Errorf("keep the report: %w", err)
	}
	return nil
}

// measure writes the report's figures as metrics, and its warnings to the log.
func (h *handler) measure(ctx context.Context, r *amau.Report) error {
	for _, warning := range r.Coverage.Warnings {
		h.Log.WarnContext(ctx, "coverage", "warning", warning)
	}
	list := []metrics.Metric{
		{Name: "ReportRun", Unit: metrics.Count, Value: 1},
		{Name: "AmauUsed", Unit: metrics.Count, Value: float64(r.Used)},
	}
	if r.Year.Purchased > 0 {
		percent := 100 * float64(r.Used) / float64(r.Year.Purchased)
		list = append(list, metrics.Metric{Name: "AmauUsedPercent", Unit: metrics.Percent, Value: percent})
	}
	recorded, err := amau.RecordedPeriods(ctx, h.store, h.Org)
	if err != nil {
		return err
	}
	if amau.OtherDefinition(recorded, h.Contract) {
		list = append(list, metrics.Metric{Name: "PeriodDefinitionMismatch", Unit: metrics.Count, Value: 1})
	}
	properties := map[string]any{"as_of": r.AsOf.UTC().Format(time.RFC3339), "year": r.Year.Start.String()}
	if err := h.Metrics.Write(list, nil, properties); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	for _, meter := range r.Meters {
		var sum int64
		for i := range r.Periods {
			sum += r.Periods[i].Counts[meter]
		}
		one := []metrics.Metric{{Name: "AmauMeter", Unit: metrics.Count, Value: float64(sum)}}
		if err := h.Metrics.Write(one, map[string]string{"Meter": string(meter)}, nil); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}
