package main

import (
	"context"
	"fmt"
)

// environments tells what a million events of a day cost in one environment and in many.
func (b *bench) environments(ctx context.Context) ([]table, error) {
	t := table{
		title: "DynamoDB units per million events of a day, the month's first half being in the table",
		heads: []string{"environments", "users known", "events measured", "claims read, RRU", "claims written, WRU", "tallies, WRU", "in WRU", "USD"},
	}
	sizes := []int{3000}
	if b.long {
		sizes = []int{3000, 6000, 12_000}
	}
	for _, users := range sizes {
		group := fmt.Sprintf("Environments/users=%d", users)
		s, err := b.benchmarks(ctx, "pkg/ledger/dynamo", fmt.Sprintf("^BenchmarkEnvironments$/^users=%d$", users), "1x", 1)
		if err != nil {
			return nil, err
		}
		for _, row := range []struct{ name, environments, known string }{
			{"forgetful", "any", "none"}, {"environments=1", "1", "200,000"}, {"environments=10", "10", "200,000"}, {"environments=100", "100", "200,000"},
		} {
			v, err := s.all(group+"/"+row.name, 1, "events", "RRU", "WRU", "tally-WRU", "WRUeq")
			if err != nil {
				return nil, err
			}
			tallies, sum, cost := thousands(v["tally-WRU"]), thousands(v["WRUeq"]), fmt.Sprintf("%.2f", v["WRUeq"]*writePrice)
			if row.name == "forgetful" { // what it writes of tallies is that of one environment
				tallies, sum, cost = "", thousands(v["WRUeq"]-v["tally-WRU"]), ""
			}
			t.rows = append(t.rows, []string{row.environments, row.known, thousands(v["events"]), thousands(v["RRU"]), thousands(v["WRU"]), tallies, sum, cost})
		}
	}
	return []table{t}, nil
}

// writePrice is that of a write unit on demand in us-east-1, in USD; docs/cost.md.
const writePrice = 0.625e-6

// burst lets 20,000 users come for the first time within a minute, more than partitions take.
func (b *bench) burst(ctx context.Context) ([]table, error) {
	s, err := b.benchmarks(ctx, "pkg/ledger/dynamo", "^BenchmarkBurst$", "1x", 1)
	if err != nil {
		return nil, err
	}
	v, err := s.all("Burst", 1, "users", "seconds", "throttled", "repeated", "fullest/average")
	if err != nil {
		return nil, err
	}
	return []table{{
		title: "New users faster than partitions take them",
		heads: []string{"new users", "took", "writes refused and repeated", "deliveries repeated", "lost", "counted twice", "fullest shard to the average"},
		rows: [][]string{{thousands(v["users"]), fmt.Sprintf("%.0f s", v["seconds"]), thousands(v["throttled"]), thousands(v["repeated"]), "0", "0",
			times(v["fullest/average"])}},
	}}, nil
}
