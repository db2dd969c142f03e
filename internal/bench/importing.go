package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

//go:embed recount.sql
var recountSQL []byte

//go:embed recount.py
var recountPython []byte

// counts is how many users were active: "month meter" -> number.
type counts map[string]int64

// totals returns the counts of the meter total alone.
func (c counts) totals() counts {
	t := maps.Clone(c)
	maps.DeleteFunc(t, func(id string, _ int64) bool { return !strings.HasSuffix(id, " total") })
	return t
}

// contractFlags fit the month boundaries that are written into recount.sql and naive.go.
var contractFlags = []string{"--contract", "2025-01-15", "--quiet"}

const benchEvents = 300_000

// events returns the path of a file with about so many events of 12 months, made at the first call
// and read once, so that it is in the system's cache.
func (b *bench) events(ctx context.Context, n int) (string, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("events-%d.ndjson", n))
	if _, err := os.Stat(path); err != nil {
		b.say("making %s", path)
		if _, _, err := b.process(ctx, nil, b.amau, b.simulation(n, path+".new")...); err != nil {
			return "", err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return "", err
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return path, err
}

// simulation is how about so many events of 12 months are made.
func (b *bench) simulation(n int, output string) []string {
	return append([]string{"simulate", "--users", fmt.Sprint(n / 60), "--events", fmt.Sprint(n), "--seed", "7",
		"--start", "2025-01-15", "--months", "12", "-o", output}, contractFlags...)
}

// count imports into a new ledger, from stdin when it is not nil, and reports.
func (b *bench) count(ctx context.Context, path string, stdin io.Reader) (counts, usage, error) {
	if err := b.removeLedger(); err != nil {
		return nil, usage{}, err
	}
	_, imported, err := b.command(ctx, stdin, "import", path)
	if err != nil {
		return nil, usage{}, err
	}
	got, reported, err := b.report(ctx)
	return got, imported.and(reported), err
}

// command runs amau on the ledger in the bench's folder.
func (b *bench) command(ctx context.Context, stdin io.Reader, args ...string) ([]byte, usage, error) {
	return b.process(ctx, stdin, b.amau, append(append(args, "--store", "sqlite:"+b.ledger()), contractFlags...)...)
}

func (b *bench) ledger() string { return filepath.Join(b.dir, "amau.db") }

func (b *bench) removeLedger() error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(b.ledger() + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (b *bench) report(ctx context.Context) (counts, usage, error) {
	out, used, err := b.command(ctx, nil, "report", "--as-of", "2025-06-01", "--format", "json")
	if err != nil {
		return nil, usage{}, err
	}
	var r struct {
		Periods []struct {
			ID     string
			Meters map[string]int64
		}
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return nil, usage{}, fmt.Errorf("read the report: %w", err)
	}
	got := counts{}
	for _, p := range r.Periods {
		for meter, n := range p.Meters {
			got[p.ID+" "+meter] = n
		}
	}
	return got, used, nil
}

// recount counts with DuckDB; query is how long it took without the start of Python.
func (b *bench) recount(ctx context.Context, path, which string) (got counts, used usage, query time.Duration, err error) {
	script, view := filepath.Join(b.dir, "recount.py"), filepath.Join(b.dir, "recount.sql")
	if err := errors.Join(os.WriteFile(script, recountPython, 0o644), os.WriteFile(view, recountSQL, 0o644)); err != nil {
		return nil, usage{}, 0, err
	}
	out, used, err := b.process(ctx, nil, filepath.Join(b.tools, "bin", "duckdb-python"), script, view, path, which)
	if err != nil {
		return nil, usage{}, 0, err
	}
	var answer struct {
		Rows    [][3]any
		Seconds float64
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, usage{}, 0, fmt.Errorf("read DuckDB's answer: %w", err)
	}
	got = counts{}
	for _, row := range answer.Rows {
		n, _ := row[2].(float64)
		got[fmt.Sprint(row[0], " ", row[1])] = int64(n)
	}
	return got, used, time.Duration(answer.Seconds * float64(time.Second)), nil
}

// series is what one side took in each run.
type series struct {
	wall, cpu []time.Duration
	peak      []int64
}

func (s *series) add(u usage) {
	s.wall, s.cpu, s.peak = append(s.wall, u.wall), append(s.cpu, u.cpu), append(s.peak, u.peak)
}

// sides are all that count the same file.
type sides struct{ ours, duck, query, plain, wc series }

// importAndReport counts 300,000 events from the file to the report, beside others that count them.
func (b *bench) importAndReport(ctx context.Context) ([]table, error) {
	path, err := b.events(ctx, benchEvents)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var s sides
	for run := range b.runs {
		got, err := b.countByAll(ctx, path, run, &s)
		if err != nil {
			return nil, err
		}
		if run == 0 { // the definition's query has one meter; ours has four
			meters, _, _, err := b.recount(ctx, path, "meters")
			if err != nil {
				return nil, err
			}
			if !maps.Equal(got, meters) || len(got) != 48 {
				return nil, fmt.Errorf("the answers differ: %v, and by DuckDB %v", got, meters)
			}
		}
		b.say("run %d: import and report %s, DuckDB %s, naively %s", run+1, seconds(s.ours.wall[run]), seconds(s.duck.wall[run]), seconds(s.plain.wall[run]))
	}
	what := fmt.Sprintf("import + report, %s, %s events", megabytes(info.Size()), thousands(benchEvents))
	peak := slices.Max(s.ours.peak)
	return []table{goals(
		compare(what, s.ours.wall, "DuckDB 2.0, 2 threads, with its start", s.duck.wall, 3),
		compare("the same", s.ours.wall, "DuckDB's query alone", s.query.wall, 0),
		compare("the same", s.ours.wall, "naive encoding/json", s.plain.wall, 0),
		compare("the same", s.ours.wall, "wc -l", s.wc.wall, 0),
		compare("the same, CPU time", s.ours.cpu, "DuckDB", s.duck.cpu, 0),
		goal{what: "the same, peak memory", ours: megabytes(peak), reference: "DuckDB", theirs: megabytes(slices.Max(s.duck.peak)),
			ratio: times(medianRatio(s.ours.peak, s.duck.peak)), goal: "< 256 MB", reached: peak < 256e6},
		goal{what: "the same, 12 months × 4 meters", ours: "equal", reference: "DuckDB", theirs: "equal", goal: "equal", reached: true},
	)}, nil
}

// countByAll lets each side count the file once, and compares their answers. Of two runs that follow
// each other one has the sides in the opposite order: what a side leaves behind, as 18 s of both processors at
// full load, is not always for the same one to bear.
func (b *bench) countByAll(ctx context.Context, path string, run int, s *sides) (counts, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var got, theirs counts
	simple := counts{}
	turns := []func() error{
		func() error {
			c, used, err := b.count(ctx, path, nil)
			got = c
			s.ours.add(used)
			return err
		},
		func() error {
			c, used, alone, err := b.recount(ctx, path, "total")
			theirs = c
			s.duck.add(used)
			s.query.add(usage{wall: alone})
			return err
		},
		func() error {
			out, used, err := b.process(ctx, nil, self, naiveCommand, path)
			if err != nil {
				return err
			}
			s.plain.add(used)
			if err := json.Unmarshal(out, &simple); err != nil {
				return fmt.Errorf("read the naive answer: %w", err)
			}
			return nil
		},
		func() error {
			_, used, err := b.process(ctx, nil, "wc", "-l", path)
			s.wc.add(used)
			return err
		},
	}
	if run%2 == 1 {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		if err := turn(); err != nil {
			return nil, err
		}
	}
	if !maps.Equal(got.totals(), theirs) || !maps.Equal(theirs, simple) {
		return nil, fmt.Errorf("the answers differ: %v, by DuckDB %v, naively %v", got.totals(), theirs, simple)
	}
	return got, nil
}

// compare is the row of a time that is to be so many times shorter than the reference's.
func compare(what string, ours []time.Duration, reference string, theirs []time.Duration, atLeast float64) goal {
	faster := medianRatio(theirs, ours)
	g := goal{what: what, ours: seconds(median(ours)), reference: reference, theirs: seconds(median(theirs)), ratio: times(faster)}
	if atLeast > 0 {
		g.goal, g.reached = fmt.Sprintf("≥ %.0f×", atLeast), faster >= atLeast
	}
	return g
}
