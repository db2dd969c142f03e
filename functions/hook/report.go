package main

import (
	"context"
	"log/slog"

	"github.com/okta-amau/okta-amau/pkg/metrics"
	"github.com/okta-amau/okta-amau/pkg/receiver"
)

// report writes what became of a request as metrics, and as a line of the log when something
// went wrong: the metrics' line has the numbers anyway.
func (h *handler) report(o *receiver.Outcome) {
	if o.Err != nil {
		h.Log.LogAttrs(context.Background(), o.Level(), "request", slog.Any("outcome", *o))
	}
	list := []metrics.Metric{{Name: "TimeLeftMilliseconds", Unit: metrics.Milliseconds, Value: float64(o.TimeLeft.Milliseconds())}}
	count := func(name string, n int64) {
		if n > 0 {
			list = append(list, metrics.Metric{Name: name, Unit: metrics.Count, Value: float64(n)})
		}
	}
	count("Deliveries", one(o.Delivery))
	count("EventsReceived", o.EventsReceived)
	count("EventsCounted", o.EventsCounted)
	count("EventsWithoutUser", o.EventsWithoutUser)
	count("ClaimsNew", o.ClaimsNew)
	count("ClaimsKnown", o.ClaimsKnown)
	count("AuthFailures", one(o.AuthFailure))
	count("PreviousSecretUsed", one(o.PreviousSecretUsed))
	count("Spilled", one(o.Spilled))
	count("Quarantined", int64(o.Quarantined))
	count("LedgerFaults", one(o.LedgerFault))
	if h.mismatch != nil {
		count("PeriodDefinitionMismatch", one(h.mismatch()))
	}
	if o.Lag > 0 {
		list = append(list, metrics.Metric{Name: "LagSeconds", Unit: metrics.Seconds, Value: o.Lag.Seconds()})
	}
	properties := map[string]any{"status": o.Status, "took_ms": o.Took.Milliseconds()}
	if err := h.Metrics.Write(list, nil, properties); err != nil {
		h.Log.Error("write metrics", "error", err.Error())
	}
}

func one(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
