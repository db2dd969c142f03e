package main

import (
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/metrics"
)

// report writes what became of the messages as metrics.
func (r *run) report() {
	var list []metrics.Metric
	count := func(name string, n int64) {
		if n > 0 {
			list = append(list, metrics.Metric{Name: name, Unit: metrics.Count, Value: float64(n)})
		}
	}
	count("EventsReceived", r.summary.Events)
	count("EventsCounted", r.summary.Counted())
	count("EventsWithoutUser", r.summary.Verdicts[amau.NoUser])
	count("ClaimsNew", r.summary.New)
	count("ClaimsKnown", r.summary.Claims-r.summary.New)
	count("Poison", r.poison)
	count("LedgerFaults", r.faults)
	if r.recorder.Mismatch() {
		count("PeriodDefinitionMismatch", 1)
	}
	if !r.summary.Newest.IsZero() {
		if lag := time.Since(r.summary.Newest); lag > 0 {
			list = append(list, metrics.Metric{Name: "LagSeconds", Unit: metrics.Seconds, Value: lag.Seconds()})
		}
	}
	properties := map[string]any{"messages_failed": len(r.failed), "batches": len(r.batches), "stream_messages": len(r.streamIDs)}
	if err := r.Metrics.Write(list, nil, properties); err != nil {
		r.Log.Error("write metrics", "error", err.Error())
	}
}
