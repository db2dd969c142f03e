package sqlite

import (
	sqldriver "database/sql/driver"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
)

// bulkClaims returns the claims of n events, each for a user of its own on a class and on
// total, in the order of arrival.
func bulkClaims(first, n int) []amau.Claim {
	total := ledgertest.MakeClaims("acme", period, amau.Total, first, n)
	class := ledgertest.MakeClaims("acme", period, amau.Session, first, n)
	claims := make([]amau.Claim, 0, 2*n)
	for i := range n {
		claims = append(claims, class[i], total[i])
	}
	return claims
}

func perClaim(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/claim")
}

// BenchmarkClaimBulk is one large call, as import makes it: into an empty ledger, into one that
// holds as many others, and of claims that are there, known to this process or not.
func BenchmarkClaimBulk(b *testing.B) {
	for _, n := range []int{65_536, 300_000} {
		claims, others := bulkClaims(0, n/2), bulkClaims(n, n/2)
		for _, bench := range []struct {
			name          string
			before, timed []amau.Claim
		}{
			{"new", nil, claims}, {"new-among-others", others, claims}, {"there", claims, claims},
		} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, n), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					l, err := Open(b.Context(), filepath.Join(b.TempDir(), "amau.db"), Options{KnownClaims: -1})
					if err != nil {
						b.Fatal(err)
					}
					mustClaim(b, l, bench.before)
					b.StartTimer()
					mustClaim(b, l, bench.timed)
					b.StopTimer()
					if err := l.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				perClaim(b, n)
			})
		}
	}
	b.Run("known", func(b *testing.B) {
		l := newLedger(b, Options{})
		claims := bulkClaims(0, 4096)
		mustClaim(b, l, claims)
		for b.Loop() {
			mustClaim(b, l, claims)
		}
		perClaim(b, len(claims))
	})
	b.Run("close", func(b *testing.B) {
		claims := bulkClaims(0, 150_000)
		for b.Loop() {
			b.StopTimer()
			l, err := Open(b.Context(), filepath.Join(b.TempDir(), "amau.db"), Options{KnownClaims: -1})
			if err != nil {
				b.Fatal(err)
			}
			mustClaim(b, l, claims)
			b.StartTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		}
		perClaim(b, len(claims))
	})
}

func mustClaim(b *testing.B, l *Ledger, claims []amau.Claim) {
	if _, err := l.Claim(b.Context(), claims); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkClaimConcurrent is 32 callers, each with 1 to 10 claims, as a receiver's deliveries
// make them: all new, one in ten new, or all known. Each call is acknowledged by a sync.
func BenchmarkClaimConcurrent(b *testing.B) {
	for _, bench := range []struct {
		name  string
		users int64 // 0: all new
	}{{"new", 0}, {"mostly-known", 10}, {"known", 1 << 40}} {
		b.Run(bench.name, func(b *testing.B) {
			l := newLedger(b, Options{})
			n := commits(l)
			mustClaim(b, l, bulkClaims(0, 100_000)) // a page for every new claim
			var next, claimed atomic.Int64
			next.Store(1 << 24)
			b.SetParallelism(16) // times 2 processors
			b.RunParallel(func(pb *testing.PB) {
				random := rand.New(rand.NewPCG(rand.Uint64(), 0))
				for pb.Next() {
					users := 1 + random.IntN(5)
					first := random.IntN(90_000)
					if turn := next.Add(int64(users)); bench.users == 0 || turn%bench.users == 0 {
						first = int(turn)
					}
					claims := bulkClaims(first, users)
					claimed.Add(int64(len(claims)))
					if _, err := l.Claim(b.Context(), claims); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(float64(claimed.Load())/b.Elapsed().Seconds(), "claims/s")
			b.ReportMetric(float64(b.N)/max(1, float64(n.Load())), "calls/commit")
		})
	}
}

// BenchmarkClaimLarge is a receiver's commit of 12 new users to a ledger of half a million, with the pages that it has in
// memory and with those of an import, without waiting for the disk.
func BenchmarkClaimLarge(b *testing.B) {
	for _, cache := range []int{receiverCache, writerCache} {
		b.Run(fmt.Sprintf("%d-KiB", cache), func(b *testing.B) {
			l := newLedger(b, Options{Receiver: true, gather: 1, KnownClaims: -1})
			if err := l.writer.conn.script(fmt.Sprintf("PRAGMA cache_size = -%d; PRAGMA synchronous = OFF", cache)); err != nil {
				b.Fatal(err)
			}
			next := 0
			claim := func(users int) {
				mustClaim(b, l, bulkClaims(next, users))
				next += users
			}
			for next < 1<<19 {
				claim(1000)
			}
			for b.Loop() {
				claim(12)
			}
		})
	}
}

// BenchmarkRead reads a meter with a million claims.
func BenchmarkRead(b *testing.B) {
	const n = 1_000_000
	l := newLedger(b, Options{KnownClaims: -1})
	for claims := range slices.Chunk(ledgertest.MakeClaims("acme", period, amau.Total, 0, n), 100_000) {
		mustClaim(b, l, claims)
	}
	b.Run("Count", func(b *testing.B) {
		for b.Loop() {
			if got, err := amau.CountOne(b.Context(), l, "acme", period, amau.Total); err != nil || got != n {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("CountBySource", func(b *testing.B) {
		for b.Loop() {
			if got, err := amau.CountBySource(b.Context(), l, "acme", period, amau.Total); err != nil || got[amau.FromHook] != n/4 {
				b.Fatal(got, err)
			}
		}
	})
	b.Run("Claims", func(b *testing.B) {
		for b.Loop() {
			for _, err := range l.Claims(b.Context(), "acme", period, amau.Total) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		perClaim(b, n)
	})
	b.Run("Find", func(b *testing.B) {
		users := make([]amau.UserKey, 10_000)
		for i := range users {
			users[i] = ledgertest.User(i * 101)
		}
		for b.Loop() {
			if found, err := l.Find(b.Context(), "acme", period, amau.Total, users); err != nil || len(found) < 9000 {
				b.Fatal(len(found), err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(users)), "ns/user")
	})
}

// BenchmarkInsert compares ways of handing the same sorted claims to SQLite; [batch] is the one
// in use. The others do not even find out which claims were new.
func BenchmarkInsert(b *testing.B) {
	const n = 60_000
	values := func(c *conn, claims []amau.Claim, rows int) error {
		query := "INSERT INTO user_month (scope, user, meters, first, source, type, published, recorded, uuid) VALUES (?,?,?,?,?,?,?,?,?)" +
			strings.Repeat(",(?,?,?,?,?,?,?,?,?)", rows-1) + " ON CONFLICT DO NOTHING"
		args := make([]sqldriver.Value, 0, 9*rows)
		for chunk := range slices.Chunk(claims, rows) {
			args = args[:0]
			for i := range chunk {
				e := &chunk[i]
				args = append(args, int64(1), e.User.String(), int64(2), int64(2), int64(1), int64(2), storedTime(e.Published), storedTime(e.Recorded), e.UUID)
			}
			if _, err := c.exec(query, args...); err != nil {
				return err
			}
		}
		return nil
	}
	for _, way := range []struct {
		name   string
		insert func(w *writer, claims []amau.Claim) error
	}{
		{"batch", func(w *writer, claims []amau.Claim) error {
			return w.batch.insert(w.conn, []*job{{claims: claims}}, true)
		}},
		{"row", func(w *writer, claims []amau.Claim) error { return values(w.conn, claims, 1) }},
		{"values-100", func(w *writer, claims []amau.Claim) error { return values(w.conn, claims, 100) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			claims := ledgertest.MakeClaims("acme", period, amau.Total, 0, n)
			slices.SortFunc(claims, func(x, y amau.Claim) int { return amau.CompareUserKeys(x.User, y.User) })
			for b.Loop() {
				b.StopTimer()
				l, err := Open(b.Context(), filepath.Join(b.TempDir(), "amau.db"), Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := l.writer.conn.transaction(func() error { return way.insert(l.writer, claims) }); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			perClaim(b, n)
		})
	}
}
