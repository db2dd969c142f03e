package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/simulate"
)

// simulateFlags are the flags of amau simulate.
type simulateFlags struct {
	users, months, events int
	start                 string
	seed                  uint64
	duplicates, late      float64
	types                 *string

	output, truth string
	as            *string

	url             string
	secretFile      string
	batch, parallel int
}

func newSimulateCmd(a *app) *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:     "simulate",
		GroupID: groupOkta,
		Short:   "Make the traffic of an Okta org that does not exist",
		Long: `Make the traffic of an Okta org that does not exist: log-ins, single sign-on, tokens
of all types, failures, machines, noise, duplicates, disorder and late arrivals, with
made-up people. The same flags make the same bytes.

The events go to stdout or a file, or with --deliver to a receiver, as Okta's event
hook sends them: it is verified once by a GET, then gets batches by POST with the
Authorization header, three seconds for an answer, one more attempt after a 5xx or
none, never another after a 4xx. An event hook can deliver only some of the types
that count; --types hook sends just those, and shows what a hook alone misses.

--truth writes the true answer: for each period of --contract, --periods and
--timezone how many users were active on each meter. It is counted from what was
made up, not from the events, by the built-in rules and without exclusions.`,
		Example: `  # A year of 5,000 people as a compressed file, with the true answer.
  amau simulate --users 5000 --contract 2025-01-15 --start 2025-01-15 -o year.ndjson.zst --truth truth.json

  # The same to a receiver on this machine.
  AMAU_HOOK_SECRET=... amau simulate --users 5000 --deliver http://127.0.0.1:8080/okta`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.IntVar(&f.users, "users", 1000, "`number` of people with an account")
	flags.IntVar(&f.months, "months", 12, "`number` of months")
	flags.StringVar(&f.start, "start", "", "first `day`, like 2025-01-15, at its beginning in --timezone; default so many months ago")
	flags.Uint64Var(&f.seed, "seed", 1, "another `number`, other people")
	flags.IntVar(&f.events, "events", 0, "about so many events (a `number`); default as many as these people make")
	flags.Float64Var(&f.duplicates, "duplicates", 0.01, "`share` of the events that come twice")
	flags.Float64Var(&f.late, "late", 0.01, "`share` of the events that come hours or days late")
	f.types = enumFlag(cmd, "types", "event types, all or those that an event hook can deliver", "all", "hook")
	flags.StringVarP(&f.output, "output", "o", "", "`file` to write to, in place of stdout; .gz and .zst compress")
	f.as = enumFlag(cmd, "as", "form of the file", simulate.ShapeNames()...)
	flags.StringVar(&f.truth, "truth", "", "`file` for the true answer, as JSON, or as CSV when it ends in .csv")
	flags.StringVar(&f.url, "deliver", "", "`URL` of a receiver to deliver to, in place of a file; https, or http on this machine")
	flags.StringVar(&f.secretFile, "hook-secret-file", "", "`file` with the hook's secret for --deliver; default $"+envHookSecret)
	flags.IntVar(&f.batch, "batch", simulate.DefaultBatch, "largest `number` of events in a delivery")
	flags.IntVar(&f.parallel, "parallel", 8, "`number` of deliveries at once")
	cmd.MarkFlagsMutuallyExclusive("deliver", "output")
	cmd.MarkFlagsMutuallyExclusive("deliver", "as")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.simulate(cmd.Context(), f) }
	return cmd
}

// simulate makes the events, sends them where they belong, and writes the true answer last: it
// is of what was made until then.
func (a *app) simulate(ctx context.Context, f simulateFlags) error {
	g, err := a.generator(f)
	if err != nil {
		return err
	}
	progress := a.newProgress("simulate", unitEvents, int64(f.events))
	defer progress.Done()
	made := func(events int) { progress.Add(int64(events)) }
	var line string
	if f.url != "" {
		line, err = a.deliver(ctx, g, f, made)
	} else {
		err = a.writeEvents(ctx, g, f, made)
	}
	progress.Done()
	if line == "" && err != nil {
		return err
	}
	truth := g.Truth()
	if f.truth != "" {
		err = errors.Join(err, a.writeOutput(f.truth, func(w io.Writer) error { return writeTruth(w, &truth, f.truth) }))
	}
	line = truth.Line() + line
	if f.truth == "-" || f.url == "" && (f.output == "" || f.output == "-") { // stdout is taken
		a.note("%s", line)
	} else if _, errOut := fmt.Fprintln(a.stdout, line); errOut != nil {
		err = errors.Join(err, errOut)
	}
	return err
}

// generator checks the flags and returns the generator that they describe.
func (a *app) generator(f simulateFlags) (*simulate.Generator, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	for _, share := range []struct {
		flag  string
		value float64
	}{{"duplicates", f.duplicates}, {"late", f.late}} {
		if !(share.value >= 0 && share.value <= 1) {
			return nil, usagef("%s must be from 0 to 1", a.flagName(share.flag))
		}
	}
	for _, count := range []struct {
		flag  string
		value int
	}{{"batch", f.batch}, {"parallel", f.parallel}} {
		if count.value < 1 || count.value > 10_000 {
			return nil, usagef("%s must be from 1 to 10000", a.flagName(count.flag))
		}
	}
	if f.url == "" && (f.output == "" || f.output == "-") {
		if isTerminal(a.stdout) {
			return nil, usagef("the events would fill the screen; give -o FILE, --deliver URL or a pipe")
		}
		if f.truth == "-" {
			return nil, usagef("%s cannot be stdout too, where the events go", a.flagName("truth"))
		}
	}
	start, err := a.simulationStart(f, s.contract)
	if err != nil {
		return nil, err
	}
	if f.truth != "" && (a.flags.rules != "" || len(s.exclusions.Apps)+len(s.exclusions.Users) > 0) {
		a.note("The true answer is by the built-in rules and without exclusions.")
	}
	g, err := simulate.New(simulate.Config{
		Users: f.users, Start: start, Months: f.months, Contract: s.contract, Seed: f.seed, Events: f.events,
		HookOnly: *f.types == "hook", Duplicates: orNone(f.duplicates), Late: orNone(f.late),
	})
	if errors.Is(err, amau.ErrBadInput) {
		return nil, usagef("%w", err)
	}
	return g, err
}

// orNone tells package simulate that a share of 0 was meant.
func orNone(share float64) float64 {
	if share == 0 {
		return -1
	}
	return share
}

// simulationStart returns the beginning of the day --start, or of the day so many months ago.
func (a *app) simulationStart(f simulateFlags, contract *amau.Contract) (time.Time, error) {
	zone := contract.Zone()
	day := a.now().In(zone).AddDate(0, -f.months, 0)
	var err error
	if f.start != "" {
		if day, err = a.date("start", f.start, zone); err != nil {
			return time.Time{}, err
		}
	}
	// The first instant of a day is not always its midnight; periods know.
	first, err := amau.NewContract([]amau.Term{{Start: amau.DateOf(day)}}, amau.ByContract, zone)
	if err != nil {
		return time.Time{}, err
	}
	return first.PeriodOf(day).Start, nil
}

// deliver sends the events to a receiver and returns what is to be said about it. Lost
// deliveries are an error beside it.
func (a *app) deliver(ctx context.Context, g *simulate.Generator, f simulateFlags, made func(int)) (string, error) {
	secret := a.getenv(envHookSecret)
	if f.secretFile != "" {
		content, err := os.ReadFile(f.secretFile)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", a.flagName("hook-secret-file"), err)
		}
		secret = string(content)
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return "", usagef("--deliver needs the hook's secret, in $%s or in the file of --hook-secret-file", envHookSecret)
	}
	d, err := g.Deliver(ctx, simulate.Delivery{
		URL: f.url, Secret: secret, Batch: f.batch, Parallel: f.parallel, Done: made,
		Verified: func() { a.note("The receiver returned the verification challenge.") },
	})
	if err != nil {
		if errors.Is(err, amau.ErrBadInput) {
			return "", usagef("%s: %w", a.flagName("deliver"), err)
		}
		return "", err
	}
	line := fmt.Sprintf(" deliveries=%d retried=%d refused=%d failed=%d seconds=%.1f", d.Deliveries, d.Retried, d.Refused, d.Failed, d.Took.Seconds())
	if n := d.Lost(); n > 0 {
		return line, fmt.Errorf("%d of %d deliveries did not arrive, so the receiver's count can be lower than the true answer", n, d.Deliveries)
	}
	return line, nil
}

// writeEvents writes the events to the file of --output or to stdout, as they are made.
func (a *app) writeEvents(ctx context.Context, g *simulate.Generator, f simulateFlags, made func(int)) error {
	return a.streamOutput(f.output, func(w io.Writer) error {
		return g.Write(&stopWriter{ctx, w}, simulate.Shape(*f.as), f.batch, made)
	})
}

// writeTruth writes the answer as indented JSON, or by the name's end as CSV.
func writeTruth(w io.Writer, t *simulate.Truth, name string) error {
	if filepath.Ext(name) != ".csv" {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(t)
	}
	out := csv.NewWriter(w)
	rows := [][]string{{"period", "start", "end", "amau", string(amau.Session), string(amau.SSO), string(amau.API)}}
	for _, p := range t.Periods {
		row := []string{p.ID, p.Start.Format(time.RFC3339), p.End.Format(time.RFC3339)}
		for _, m := range []amau.Meter{amau.Total, amau.Session, amau.SSO, amau.API} {
			row = append(row, strconv.FormatInt(p.Meters[m], 10))
		}
		rows = append(rows, row)
	}
	return out.WriteAll(rows)
}
