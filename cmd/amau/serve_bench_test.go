package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
	"github.com/okta-amau/okta-amau/pkg/receiver"
	"github.com/okta-amau/okta-amau/pkg/simulate"
)

const benchClients = 32

// BenchmarkServe measures deliveries from 32 clients over HTTP that are acknowledged when they
// are on the disk, against a bare handler that only reads the body. An iteration is a delivery.
//
// new: every delivery has one event, of a user who was not there before: each needs the disk.
// simulated: deliveries of 1 to 10 events as amau simulate makes them, a year of people who come
// again and again.
func BenchmarkServe(b *testing.B) {
	for _, kind := range []string{"new", "simulated"} {
		b.Run(kind, func(b *testing.B) {
			bodies := benchBodies(b, kind)
			bare := startBench(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					b.Error(err)
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			durable := startBench(b, benchHook(b))
			// A warm connection each, and the periods' notes.
			flood(b, bare, bodies[:benchClients])
			flood(b, durable, bodies[:benchClients])
			rest := bodies[benchClients:]
			var took, bareTook time.Duration
			b.ResetTimer()
			// By turns, so that whatever else the machine does meanwhile slows down both.
			for part := range slices.Chunk(rest, max(len(rest)/20, benchClients)) {
				took += flood(b, durable, part)
				b.StopTimer()
				bareTook += flood(b, bare, part)
				b.StartTimer()
			}
			b.StopTimer()
			n := float64(len(rest))
			b.ReportMetric(n/took.Seconds(), "durable/s")
			b.ReportMetric(n/bareTook.Seconds(), "bare/s")
			b.ReportMetric(bareTook.Seconds()/took.Seconds(), "of-bare")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// benchBodies returns b.N deliveries and one more for each client.
func benchBodies(b *testing.B, kind string) [][]byte {
	b.Helper()
	n := b.N + benchClients
	if kind == "new" {
		bodies := make([][]byte, n)
		for i := range bodies {
			bodies[i] = []byte(hookDelivery(sessionOf(fmt.Sprintf("00uBench%012d", i), "2025-03-01T10:00:00.000Z")))
		}
		return bodies
	}
	contract, err := amau.NewContract(nil, "", nil)
	must(b, err)
	events := 7 * (n + 100)
	const each = 220 // events of a user in a year, by the habits of package simulate
	g, err := simulate.New(simulate.Config{
		Users: 1 + events/each, Months: 12, Start: time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC), Contract: contract, Events: events,
	})
	must(b, err)
	var file bytes.Buffer
	must(b, g.Write(&file, simulate.Hook, 10, nil))
	bodies := bytes.Split(bytes.TrimSpace(file.Bytes()), []byte("\n"))
	if len(bodies) < n {
		b.Fatalf("%d deliveries of %d", len(bodies), n)
	}
	return bodies[:n]
}

// benchHook returns the receiver as amau serve has it, on a ledger in a file.
func benchHook(b *testing.B) http.Handler {
	b.Helper()
	dir := b.TempDir()
	store, err := sqlite.Open(b.Context(), filepath.Join(dir, "amau.db"), sqlite.Options{Receiver: true})
	must(b, err)
	b.Cleanup(func() { must(b, store.Close()) })
	contract, err := amau.NewContract(nil, "", nil)
	must(b, err)
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	must(b, err)
	// No month is over, as is usual for what comes by a hook: for others closes are looked up.
	now := func() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }
	recorder, err := amau.NewRecorder(amau.Config{Org: "default", Contract: contract, Keyer: keyer, Now: now}, store)
	must(b, err)
	q, err := openQuarantine(filepath.Join(dir, "quarantine"), 1<<20, time.Now)
	must(b, err)
	r, err := receiver.New(receiver.Config{Secrets: receiver.Static(receiver.NewKeys(e2eSecret, "")), Recorder: recorder, Quarantine: q})
	must(b, err)
	return r.Handler(newJournal(slog.New(slog.DiscardHandler), recorder.Mismatch).outcome)
}

// startBench serves h as amau serve does and returns its URL.
func startBench(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := listenOn("127.0.0.1:0", 512)
	must(b, err)
	mux := http.NewServeMux()
	mux.Handle("/okta", h)
	server := (&server{log: slog.New(slog.DiscardHandler)}).server(mux)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	b.Cleanup(func() { server.Close(); <-done })
	return "http://" + l.Addr().(*net.TCPAddr).String() + "/okta"
}

// flood delivers the bodies from all clients and returns how long it took.
func flood(b *testing.B, url string, bodies [][]byte) time.Duration {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: benchClients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range benchClients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					return
				}
				if status, answer, _ := exchange(client, http.MethodPost, url, e2eSecret, bytes.NewReader(bodies[i])); status != http.StatusNoContent {
					b.Errorf("status %d: %s", status, answer)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
