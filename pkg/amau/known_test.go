package amau_test

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// numbered returns the claim of user n on a meter in a period.
func numbered(n int, period string, meter amau.Meter) *amau.Claim {
	c := &amau.Claim{Org: "acme", Period: period, Meter: meter}
	binary.BigEndian.PutUint64(c.User[:], uint64(n))
	return c
}

// It never knows what it was not told, and it knows at least the last half of its limit.
func TestKnownClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 40).Draw(t, "limit")
		known := amau.NewKnownClaims(limit)
		told := map[amau.ClaimID]bool{}
		var recent []amau.ClaimID // distinct, the newest last
		for range rapid.IntRange(0, 150).Draw(t, "claims") {
			c := numbered(rapid.IntRange(0, 60).Draw(t, "user"), rapid.SampledFrom([]string{"p", "q"}).Draw(t, "period"), rapid.SampledFrom([]amau.Meter{amau.SSO, amau.Total}).Draw(t, "meter"))
			if known.Has(c) && !told[c.ID()] {
				t.Fatalf("it knows %s, which it was not told", c)
			}
			known.Add(c)
			told[c.ID()] = true
			recent = append(without(recent, c.ID()), c.ID())
			for _, id := range recent[max(0, len(recent)-limit/2):] {
				if !known.Has(&amau.Claim{Org: id.Org, Period: id.Period, Meter: id.Meter, User: id.User}) {
					t.Fatalf("with a limit of %d it forgot one of the last %d", limit, limit/2)
				}
			}
		}
	})
}

func without(ids []amau.ClaimID, id amau.ClaimID) []amau.ClaimID {
	var rest []amau.ClaimID
	for _, other := range ids {
		if other != id {
			rest = append(rest, other)
		}
	}
	return rest
}

func TestKnownClaimsIsBounded(t *testing.T) {
	const limit = 1000
	known := amau.NewKnownClaims(limit)
	for n := range 20 * limit {
		known.Add(numbered(n, "p", amau.Total))
	}
	still := 0
	for n := range 20 * limit {
		if known.Has(numbered(n, "p", amau.Total)) {
			still++
		}
	}
	if still < limit/2 || still > limit {
		t.Errorf("it knows %d claims, want %d to %d", still, limit/2, limit)
	}
}

// What is asked for stays, whatever else comes: a user who is there every day costs nothing.
func TestKnownClaimsKeepsWhatIsSeen(t *testing.T) {
	known := amau.NewKnownClaims(100)
	daily := numbered(1_000_000, "p", amau.Total)
	known.Add(daily)
	for n := range 1000 {
		known.Add(numbered(n, "p", amau.Total))
		if !known.Has(daily) {
			t.Fatalf("after %d other claims it forgot one that it is asked for each time", n+1)
		}
	}
}

// Telling it the same again forgets nothing.
func TestKnownClaimsRepeats(t *testing.T) {
	for oldest := range 5 {
		known := amau.NewKnownClaims(10)
		for n := range 10 {
			known.Add(numbered(n, "p", amau.Total))
		}
		for range 20 {
			known.Add(numbered(9, "p", amau.Total))
		}
		if !known.Has(numbered(oldest, "p", amau.Total)) {
			t.Errorf("it forgot claim %d because another was repeated", oldest)
		}
	}
}

func TestKnownClaimsOfNoSize(t *testing.T) {
	for _, limit := range []int{-1, 0, 1} {
		known := amau.NewKnownClaims(limit)
		known.Add(numbered(1, "p", amau.Total))
		if known.Has(numbered(1, "p", amau.Total)) {
			t.Errorf("with a limit of %d it knows something", limit)
		}
	}
}

func TestKnownClaimsIsSafeForConcurrentUse(t *testing.T) {
	known := amau.NewKnownClaims(64)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 500 {
				c := numbered(w*1000+n, "p", amau.Total)
				known.Add(c)
				known.Has(numbered(n, "p", amau.Total))
			}
		})
	}
	wg.Wait()
}

func BenchmarkKnownClaims(b *testing.B) {
	const limit = 1 << 20
	b.Run("bytes", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			known := amau.NewKnownClaims(limit)
			for n := range limit {
				known.Add(numbered(n, "p", amau.Total))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(known)
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/limit, "bytes/claim")
	})
	b.Run("has", func(b *testing.B) {
		known := amau.NewKnownClaims(limit)
		c := numbered(1, "2026-01-15T00:00:00Z", amau.Total)
		known.Add(c)
		b.ReportAllocs()
		for b.Loop() {
			known.Has(c)
		}
	})
}
