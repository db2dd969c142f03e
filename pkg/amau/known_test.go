package amau_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
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

// add tells the set one claim.
func add(k *amau.KnownClaims, c *amau.Claim) { k.Add([]amau.Claim{*c}) }

// has asks the set for one claim.
func has(k *amau.KnownClaims, c *amau.Claim) bool { return len(k.Unknown([]amau.Claim{*c})) == 0 }

// It never knows what it was not told, and it knows all that it was told of at least the last users and periods, half
// of its limit, however claims are put together.
func TestKnownClaims(t *testing.T) {
	meters := make([]amau.Meter, 70) // more than there are bits
	for i := range meters {
		meters[i] = amau.Meter(fmt.Sprint("meter", i))
	}
	claim := rapid.Custom(func(t *rapid.T) amau.Claim {
		c := numbered(rapid.IntRange(0, 20).Draw(t, "user"), rapid.SampledFrom([]string{"p", "q"}).Draw(t, "period"), rapid.SampledFrom(meters).Draw(t, "meter"))
		c.Org = rapid.SampledFrom([]string{"acme", "org"}).Draw(t, "org")
		return *c
	})
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 40).Draw(t, "limit")
		known := amau.NewKnownClaims(limit)
		told := map[amau.ClaimID]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "calls") {
			claims := rapid.SliceOfN(claim, 0, 12).Draw(t, "claims")
			// Mostly as they come: those of a user and period together, on several meters.
			if rapid.Bool().Draw(t, "together") {
				for i := range claims {
					if i%4 != 0 {
						meter := claims[i].Meter
						claims[i] = claims[i-1]
						claims[i].Meter = meter
					}
				}
			}
			unknown := known.Unknown(claims)
			if !slices.IsSorted(unknown) || len(slices.Compact(slices.Clone(unknown))) != len(unknown) {
				t.Fatalf("unknown are %v", unknown)
			}
			for i, c := range claims {
				if !slices.Contains(unknown, i) && !told[c.ID()] {
					t.Fatalf("it knows %s, which it was not told", &c)
				}
			}
			known.Add(claims)
			for i := range claims {
				told[claims[i].ID()] = true
			}
			groups := map[amau.ClaimID]bool{} // of users and periods, from the last claim to the first
			for i := len(claims) - 1; i >= 0; i-- {
				id := claims[i].ID()
				// Meters 0 to 31 may stand for themselves, and so on: at most three for a user and period.
				if groups[amau.ClaimID{Org: id.Org, Period: id.Period, User: id.User}] = true; 3*len(groups) > limit/2 {
					break
				}
				if !has(known, &claims[i]) {
					t.Fatalf("with a limit of %d it forgot claim %d of %d", limit, i, len(claims))
				}
			}
		}
	})
}

// It knows at least the last half of its limit.
func TestKnownClaimsForgetsTheOldest(t *testing.T) {
	for _, limit := range []int{2, 3, 10, 41} {
		known := amau.NewKnownClaims(limit)
		for n := range 3 * limit {
			for _, meter := range []amau.Meter{amau.SSO, amau.Total} {
				add(known, numbered(n, "p", meter))
			}
			for last := max(0, n+1-limit/2); last <= n; last++ {
				if !has(known, numbered(last, "p", amau.SSO)) || !has(known, numbered(last, "p", amau.Total)) {
					t.Fatalf("with a limit of %d it forgot one of the last %d", limit, limit/2)
				}
			}
		}
	}
}

func TestKnownClaimsIsBounded(t *testing.T) {
	const limit = 1000
	known := amau.NewKnownClaims(limit)
	for n := range 20 * limit {
		add(known, numbered(n, "p", amau.Total))
	}
	still := 0
	for n := range 20 * limit {
		if has(known, numbered(n, "p", amau.Total)) {
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
	add(known, daily)
	for n := range 1000 {
		add(known, numbered(n, "p", amau.Total))
		if !has(known, daily) {
			t.Fatalf("after %d other claims it forgot one that it is asked for each time", n+1)
		}
	}
}

// Telling it the same again forgets nothing.
func TestKnownClaimsRepeats(t *testing.T) {
	for oldest := range 5 {
		known := amau.NewKnownClaims(10)
		for n := range 10 {
			add(known, numbered(n, "p", amau.Total))
		}
		for range 20 {
			add(known, numbered(9, "p", amau.Total))
		}
		if !has(known, numbered(oldest, "p", amau.Total)) {
			t.Errorf("it forgot claim %d because another was repeated", oldest)
		}
	}
}

func TestKnownClaimsOfNoSize(t *testing.T) {
	for _, limit := range []int{-1, 0, 1} {
		known := amau.NewKnownClaims(limit)
		add(known, numbered(1, "p", amau.Total))
		if has(known, numbered(1, "p", amau.Total)) {
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
				add(known, c)
				has(known, numbered(n, "p", amau.Total))
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
				add(known, numbered(n, "p", amau.Total))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(known)
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/limit, "bytes/claim")
	})
	// As an event has them.
	b.Run("unknown", func(b *testing.B) {
		known := amau.NewKnownClaims(limit)
		claims := []amau.Claim{*numbered(1, "2026-01-15T00:00:00Z", amau.Total), *numbered(1, "2026-01-15T00:00:00Z", amau.SSO), *numbered(1, "2026-01-15T00:00:00Z", amau.Session)}
		known.Add(claims)
		b.ReportAllocs()
		for b.Loop() {
			known.Unknown(claims)
		}
	})
}
