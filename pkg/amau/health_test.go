package amau

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestHealthDayIsAGrowOnlySet(t *testing.T) {
	at := time.Date(2026, 5, 20, 10, 0, 0, 123456789, time.UTC)
	var events []HealthEvent
	for i := range 3 {
		for _, kind := range []HealthKind{HookFailed, HookNearLimit, HookAtLimit, StreamOff, StreamOn, "unknown"} {
			events = append(events, HealthEvent{kind, fmt.Sprint(i), at.Add(time.Duration(i) * time.Second)})
		}
	}
	var there, back HealthDay
	for _, e := range events {
		if there.add(e) != (e.Kind != "unknown") || there.add(e) {
			t.Fatalf("%+v is not new once", e)
		}
	}
	slices.Reverse(events)
	for _, e := range events {
		back.add(e)
	}
	if a, b := fmt.Sprint(there), fmt.Sprint(back); a != b {
		t.Errorf("the order matters: %s and %s", a, b)
	}
	if len(there.HookFailed) != 3 || len(there.StreamOff) != 3 || there.StreamOff[0].Nanosecond() != 123000000 {
		t.Errorf("%+v", there)
	}
}

func TestHealthDayIsBounded(t *testing.T) {
	var d HealthDay
	at := time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)
	changes := 0
	for i := range 10 * maxFailed {
		if d.add(HealthEvent{HookFailed, fmt.Sprint(i), at}) {
			changes++
		}
		d.add(HealthEvent{StreamOff, "", at.Add(time.Duration(i) * time.Second)})
	}
	if len(d.HookFailed) != maxFailed || !d.MoreFailed || changes != maxFailed+1 || len(d.StreamOff) != maxTimes {
		t.Errorf("%d failed, more %v, changed %d times, %d times off", len(d.HookFailed), d.MoreFailed, changes, len(d.StreamOff))
	}
}
