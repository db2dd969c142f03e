package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
)

// decode compares what decides about an event with decoding all of it.
func (b *bench) decode(ctx context.Context) ([]table, error) {
	s, err := b.benchmarks(ctx, "pkg/okta", "^BenchmarkDecodeEvent$", "1s", b.runs)
	if err != nil {
		return nil, err
	}
	ours, err := s.of("DecodeEvent/ours", "ns/op", b.runs)
	if err != nil {
		return nil, err
	}
	theirs, err := s.of("DecodeEvent/encoding-json", "ns/op", b.runs)
	if err != nil {
		return nil, err
	}
	allocations, err := s.all("DecodeEvent/ours", b.runs, "allocs/op")
	if err != nil {
		return nil, err
	}
	ratio := medianRatio(theirs, ours)
	return []table{goals(
		goal{what: "decode + decide, an event of 2.3 KB", ours: microseconds(median(ours)), reference: "encoding/json, full structs", theirs: microseconds(median(theirs)),
			ratio: times(ratio), goal: "≥ 5×", reached: ratio >= 5},
		goal{what: "the same, allocations", ours: thousands(allocations["allocs/op"]), goal: "0", reached: allocations["allocs/op"] == 0},
	)}, nil
}

func microseconds(ns float64) string { return fmt.Sprintf("%.1f µs", ns/1e3) }

// start compares the start of the hook's function with that of an empty one.
func (b *bench) start(ctx context.Context) ([]table, error) {
	s, err := b.benchmarks(ctx, "functions/hook", "^BenchmarkInit$", "3x", 1)
	if err != nil {
		return nil, err
	}
	v, err := s.all("Init", 1, "hook-ms", "empty-ms", "ratio", "hook-bytes", "empty-bytes")
	if err != nil {
		return nil, err
	}
	const limit = 12 << 20
	return []table{goals(
		goal{what: "cold start, init of functions/hook", ours: fmt.Sprintf("%.1f ms", v["hook-ms"]), reference: "an empty Go function", theirs: fmt.Sprintf("%.1f ms", v["empty-ms"]),
			ratio: times(v["ratio"]), goal: "≤ 3×", reached: v["ratio"] <= 3},
		goal{what: "its binary", ours: megabytesTenth(v["hook-bytes"]), reference: "an empty Go function", theirs: megabytesTenth(v["empty-bytes"]),
			ratio: times(v["hook-bytes"] / v["empty-bytes"]), goal: "≤ 12 MB", reached: v["hook-bytes"] <= limit},
	)}, nil
}

func megabytesTenth(bytes float64) string { return fmt.Sprintf("%.1f MB", bytes/(1<<20)) }

// duplicate compares a claim that is there with a conditional write that is refused.
func (b *bench) duplicate(ctx context.Context) ([]table, error) {
	s, err := b.benchmarks(ctx, "pkg/ledger/dynamo", "^BenchmarkDuplicate$", "1x", 1)
	if err != nil {
		return nil, err
	}
	v, err := s.all("Duplicate", 1, "read-WRUeq/claim", "known-WRUeq/claim", "write-WRUeq/claim")
	if err != nil {
		return nil, err
	}
	row := func(what string, units float64) goal {
		return goal{what: what, ours: fmt.Sprintf("%.2f WRU", units), reference: "a conditional write", theirs: fmt.Sprintf("%.2f WRU", v["write-WRUeq/claim"]),
			ratio: times(units / v["write-WRUeq/claim"]), goal: "≤ 0.1×", reached: units <= 0.1*v["write-WRUeq/claim"]}
	}
	return []table{goals(
		row("DynamoDB, a claim that is there, reads at their price", v["read-WRUeq/claim"]),
		row("the same, known to the process", v["known-WRUeq/claim"]),
	)}, nil
}

// serve compares durable deliveries with those that are only read.
func (b *bench) serve(ctx context.Context) ([]table, error) {
	s, err := b.benchmarks(ctx, "cmd/amau", "^BenchmarkServe$", "6000x", b.runs)
	if err != nil {
		return nil, err
	}
	var rows []goal
	for _, kind := range []struct{ name, what string }{
		{"simulated", "serve, 32 clients, a year's traffic, durable"},
		{"new", "serve, 32 clients, each delivery a new user, durable"},
	} {
		v, err := s.all("Serve/"+kind.name, b.runs, "durable/s", "bare/s", "of-bare")
		if err != nil {
			return nil, err
		}
		rows = append(rows, goal{what: kind.what, ours: thousands(v["durable/s"]) + "/s", reference: "net/http that reads the body", theirs: thousands(v["bare/s"]) + "/s",
			ratio: times(v["of-bare"]), goal: "≥ 0.5×", reached: v["of-bare"] >= 0.5})
	}
	return []table{goals(rows...)}, nil
}

// reads compares what a report reads with one closed month and with twelve.
func (b *bench) reads(ctx context.Context) ([]table, error) {
	s, err := b.benchmarks(ctx, "pkg/ledger/dynamo", "^BenchmarkReportReads$", "1x", 1)
	if err != nil {
		return nil, err
	}
	v, err := s.all("ReportReads", 1, "1-requests", "12-requests", "36-requests", "12-open-requests", "1-RRU", "12-RRU", "36-RRU", "12-open-RRU")
	if err != nil {
		return nil, err
	}
	row := func(months string) goal {
		return goal{what: "report on " + months + " closed months, reads", ours: thousands(v[months+"-requests"]), reference: "on 1", theirs: thousands(v["1-requests"]),
			ratio: times(v[months+"-requests"] / v["1-requests"]), goal: "same", reached: v[months+"-requests"] == v["1-requests"]}
	}
	return []table{goals(row("12"), row("36"),
		goal{what: "the same on 12, read units", ours: fmt.Sprintf("%.1f", v["12-RRU"]), reference: "12 open and empty", theirs: fmt.Sprintf("%.1f", v["12-open-RRU"]), ratio: times(v["12-RRU"] / v["12-open-RRU"])},
	)}, nil
}

var killed = regexp.MustCompile(`(\d+) kills of serve, (\d+) deliveries acknowledged, none lost`)

// kill kills the receiver under load, a hundred times or a few more. The test fails when anything
// that was acknowledged is not in the ledger, or a count is not exact.
func (b *bench) kill(ctx context.Context) ([]table, error) {
	binary, err := b.testBinary(ctx, "cmd/amau")
	if err != nil {
		return nil, err
	}
	kills, acknowledged := 0, 0
	for kills < 100 {
		out, err := b.runTests(ctx, binary, "cmd/amau", "-test.run", "^TestSoakKills$", "-test.v")
		if err != nil {
			return nil, err
		}
		found := killed.FindSubmatch(out)
		if found == nil {
			return nil, fmt.Errorf("the test does not say how often it killed: %s", out)
		}
		more, _ := strconv.Atoi(string(found[1]))
		deliveries, _ := strconv.Atoi(string(found[2]))
		if more < 1 || deliveries < 1 {
			return nil, fmt.Errorf("the test did nothing: %s", out)
		}
		kills, acknowledged = kills+more, acknowledged+deliveries
	}
	return []table{goals(goal{
		what: fmt.Sprintf("acknowledged deliveries lost, %d × kill -9", kills), ours: "0",
		reference: "acknowledged", theirs: thousands(float64(acknowledged)), goal: "0", reached: true,
	})}, nil
}
