package amau_test

import (
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// What an event of a known user costs in memory is nothing, and what a new one costs is bounded.
func TestAllocationsOfAFold(t *testing.T) {
	r := recorder(t, nil)
	events := people(2000, orgToken)
	f := r.NewFold(amau.FromImport)
	add := func() {
		for i := range events {
			f.Add(&events[i])
		}
	}
	add()
	if got := testing.AllocsPerRun(10, add); got > 0 {
		t.Errorf("%.0f allocations for %d events of known users", got, len(events))
	}
	firstSight := testing.AllocsPerRun(5, func() {
		f = r.NewFold(amau.FromImport)
		add()
	})
	// A user's id, key, meters and uuid are one each; maps and slices grow now and then. The race
	// detector lets pools forget at random, which makes new hashes: three more.
	if got := firstSight / float64(len(events)); got > 9 {
		t.Errorf("%.2f allocations for an event of a new user", got)
	}
	delivery := func(n int) float64 {
		return testing.AllocsPerRun(100, func() { r.Batch(amau.FromHook, events[:n]) })
	}
	one, ten := delivery(1), delivery(10)
	t.Logf("an event of a new user: %.2f; a delivery of one: %.0f, of ten: %.0f", firstSight/float64(len(events)), one, ten)
	if one > 30 || ten-one > 9*10 {
		t.Errorf("a delivery of one: %.0f allocations, of ten: %.0f", one, ten)
	}
}

// Asking for known claims allocates nothing.
func TestAllocationsOfKnownClaims(t *testing.T) {
	claims := recorder(t, nil).Batch(amau.FromHook, people(100, orgToken)).Claims
	known := amau.NewKnownClaims(1000)
	known.Add(claims)
	ask := func() {
		if len(known.Unknown(claims)) != 0 {
			t.Fatal("a claim is forgotten")
		}
	}
	if got := testing.AllocsPerRun(100, ask); got > 0 {
		t.Errorf("%.0f allocations", got)
	}
}
