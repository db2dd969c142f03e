package main

import (
	"context"
	"fmt"
	"os"
)

// growth tells how import, ledger and report grow with events and users, and with months.
func (b *bench) growth(ctx context.Context) ([]table, error) {
	events, err := b.growthOfEvents(ctx)
	if err != nil {
		return nil, err
	}
	months, err := b.growthOfMonths(ctx)
	return []table{events, months}, err
}

func (b *bench) growthOfEvents(ctx context.Context) (table, error) {
	t := table{
		title: "Growth with users and events: a year in one file",
		heads: []string{"users", "events", "file", "import", "CPU time", "µs an event", "peak memory", "claims", "ledger", "bytes a claim", "report, all months open"},
	}
	for _, n := range []int{100_000, 300_000, 1_000_000} {
		path, err := b.events(ctx, n)
		if err != nil {
			return table{}, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return table{}, err
		}
		var imports, reports series
		var result imported
		for range b.runs {
			if err := b.removeLedger(); err != nil {
				return table{}, err
			}
			out, used, err := b.command(ctx, nil, "import", path)
			if err != nil {
				return table{}, err
			}
			imports.add(used)
			if result, err = readImported(out); err != nil {
				return table{}, err
			}
			if _, used, err = b.report(ctx); err != nil {
				return table{}, err
			}
			reports.add(used)
		}
		ledger, err := os.Stat(b.ledger())
		if err != nil {
			return table{}, err
		}
		took := median(imports.cpu)
		t.rows = append(t.rows, []string{
			thousands(float64(n / 60)), thousands(float64(result.events)), megabytes(info.Size()), seconds(median(imports.wall)), seconds(took),
			fmt.Sprintf("%.1f", took.Seconds()*1e6/float64(result.events)), megabytes(median(imports.peak)), thousands(float64(result.claims)),
			megabytes(ledger.Size()), fmt.Sprintf("%.0f", float64(ledger.Size())/float64(result.claims)), seconds(median(reports.wall)),
		})
		b.say("growth: %s events imported in %s", thousands(float64(n)), seconds(median(imports.wall)))
	}
	return t, nil
}

// imported is what amau import says at its end.
type imported struct{ events, counted, claims, new, rejected int64 }

func readImported(out []byte) (r imported, err error) {
	_, err = fmt.Sscanf(string(out), "events=%d counted=%d claims=%d new=%d rejected=%d", &r.events, &r.counted, &r.claims, &r.new, &r.rejected)
	if err != nil {
		return r, fmt.Errorf("read what import said: %q: %w", out, err)
	}
	return r, nil
}

// growthOfMonths reports on a year at the end of histories of several lengths, with its months
// open, then closed.
func (b *bench) growthOfMonths(ctx context.Context) (table, error) {
	t := table{
		title: "Growth with months: a report on the last year, 3,000 users a month who come again",
		heads: []string{"months in the ledger", "claims", "report, months open", "report, months closed", "closing"},
	}
	for _, months := range []int{12, 24, 48} {
		if err := b.removeLedger(); err != nil {
			return table{}, err
		}
		path := b.ledger() + ".ndjson"
		args := append([]string{"simulate", "--users", "7000", "--events", fmt.Sprint(20_000 * months), "--start", fmt.Sprintf("%d-01-15", 2026-months/12),
			"--months", fmt.Sprint(months), "-o", path}, contractFlags...)
		if _, _, err := b.process(ctx, nil, b.amau, args...); err != nil {
			return table{}, err
		}
		out, _, err := b.command(ctx, nil, "import", path)
		if err != nil {
			return table{}, err
		}
		result, err := readImported(out)
		if err != nil {
			return table{}, err
		}
		if err := os.Remove(path); err != nil {
			return table{}, err
		}
		var open, closed series
		for range b.runs {
			_, used, err := b.report(ctx)
			if err != nil {
				return table{}, err
			}
			open.add(used)
		}
		_, took, err := b.command(ctx, nil, "close", "--due")
		if err != nil {
			return table{}, err
		}
		for range b.runs {
			_, used, err := b.report(ctx)
			if err != nil {
				return table{}, err
			}
			closed.add(used)
		}
		t.rows = append(t.rows, []string{fmt.Sprint(months), thousands(float64(result.claims)), seconds(median(open.wall)), seconds(median(closed.wall)), seconds(took.wall)})
	}
	return t, nil
}
