package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func newExplainCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "explain USER... | -",
		GroupID: groupRead,
		Short:   "Show in which months a user was counted, and by which event",
		Long: `Show for each user, recorded month and meter whether the user was counted, and the
event that first made it so: the way to compare the ledger with a list of users that
Okta shows, since the ledger itself holds no user ids.

USER is an Okta user id (00u...), not a log-in name or e-mail address. With - the ids
come from standard input: one on each line, or the first column of a CSV table.
Blank lines, lines that begin with #, a header like id or user_id and repetitions
are passed over. The answer to a list is CSV unless --format says otherwise; its
columns are user, period, meter, counted, event_type, uuid, published, source and
recorded.

A user whom the ledger does not know is listed as not counted, and that is no error.
The pseudonym key is needed; an SQLite ledger usually holds its own.`,
		Example: `  amau explain 00u1a2b3c4d5e6f7g8h9
  amau explain - < users.csv > counted.csv
  amau explain - --period 2026-01-15 --format json < users.txt`,
		Args: cobra.MinimumNArgs(1),
	}
	format := enumFlag(cmd, "format", "form of the answer", "text", "csv", "json")
	periods := cmd.Flags().StringSlice("period", nil, "`id` of a month to look into, like 2026-01-15; can be repeated; default all that are recorded")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if slices.Contains(args, "-") && len(args) > 1 {
			return usagef("give users or -, not both")
		}
		form := *format
		if args[0] == "-" && !cmd.Flags().Changed("format") {
			form = "csv"
		}
		return a.explain(cmd.Context(), args, *periods, form)
	}
	return cmd
}

func (a *app) explain(ctx context.Context, args, only []string, format string) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	for _, id := range only {
		if _, err := parsePeriod(id); err != nil {
			return usagef("%s: %w", a.flagName("period"), err)
		}
	}
	store, err := a.openStore(ctx, toRead)
	if err != nil {
		return err
	}
	defer store.Close()
	e := &explainer{store: store, org: s.org, meters: totalFirst(s.rules.Meters())}
	if e.keyer, err = a.keyer(ctx, store); err != nil {
		return err
	}
	if err = amau.CheckUserKey(ctx, store, s.org, e.keyer); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	if e.periods, err = a.recordedPeriods(ctx, store, s.org, only); err != nil {
		return err
	}
	users, err := a.usersOf(args)
	if err != nil {
		return err
	}
	progress := a.newProgress("explain", unitUsers, int64(len(users)))
	defer progress.Done()
	out := newExplanation(format, a.stdout, s.org, e.periods)
	for chunk := range slices.Chunk(users, explainChunk) {
		if err := e.explain(ctx, chunk, out); err != nil {
			return err
		}
		progress.Add(int64(len(chunk)))
	}
	return out.end()
}

// usersOf returns the users that are named, on standard input when that is "-".
func (a *app) usersOf(args []string) ([]string, error) {
	list := newUserList()
	if args[0] == "-" {
		users, err := readUsers(a.stdin)
		if err != nil {
			return nil, err
		}
		list.users = users
	} else {
		for _, arg := range args {
			list.add(strings.TrimSpace(arg))
		}
	}
	strange := 0
	for _, user := range list.users {
		if !strings.HasPrefix(user, "00u") {
			strange++
		}
	}
	if strange > 0 {
		a.note("%d of %d do not begin with 00u as Okta's user ids do; log-in names and e-mail addresses are never found", strange, len(list.users))
	}
	return list.users, nil
}

// recordedPeriods returns the periods that writers recorded in, restricted to those named by
// only, if any are.
func (a *app) recordedPeriods(ctx context.Context, store amau.Store, org string, only []string) ([]namedPeriod, error) {
	recorded, err := amau.RecordedPeriods(ctx, store, org)
	if err != nil {
		return nil, err
	}
	if len(recorded) == 0 {
		a.note("nothing is recorded for org %s in this ledger", org)
	}
	all := nameApart(recorded)
	if len(only) == 0 {
		return all, nil
	}
	var some []namedPeriod
	for _, id := range only {
		before := len(some)
		for _, p := range all {
			if p.ID == id || p.Key() == id {
				some = append(some, p)
			}
		}
		if len(some) == before {
			return nil, fmt.Errorf("%s: nothing is recorded in a period %s; recorded are %s", a.flagName("period"), id, nameList(all))
		}
	}
	slices.SortFunc(some, func(a, b namedPeriod) int { return a.Start.Compare(b.Start) })
	return slices.CompactFunc(some, func(a, b namedPeriod) bool { return a.Key() == b.Key() }), nil
}

// namedPeriod is a recorded period with the name by which it is shown.
type namedPeriod struct {
	amau.Period
	name string
}

// nameApart names each period by its ID, and those that share an ID, since they were recorded
// under different definitions, by the instant of their start.
func nameApart(periods []amau.Period) []namedPeriod {
	shared := map[string]int{}
	for _, p := range periods {
		shared[p.ID]++
	}
	var named []namedPeriod
	for _, p := range periods {
		n := namedPeriod{p, p.ID}
		if shared[p.ID] > 1 {
			n.name = p.Key()
		}
		named = append(named, n)
	}
	return named
}

func nameList(periods []namedPeriod) string {
	if len(periods) == 0 {
		return "none"
	}
	var names []string
	for _, p := range periods {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

// parsePeriod accepts the date or the instant that names a period.
func parsePeriod(id string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, id); err == nil {
		return t, nil
	}
	d, err := amau.ParseDate(id)
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC), err
}

// totalFirst returns the meters in the order in which they are shown.
func totalFirst(meters []amau.Meter) []amau.Meter {
	first := []amau.Meter{amau.Total}
	return append(first, slices.DeleteFunc(meters, func(m amau.Meter) bool { return m == amau.Total })...)
}

const (
	explainChunk = 2000 // users that are looked up and held at a time
	explainReads = 8    // look-ups at once
)

// explainer looks users up.
type explainer struct {
	store   amau.Store
	org     string
	keyer   *amau.Keyer
	periods []namedPeriod
	meters  []amau.Meter
}

// explain writes what the ledger says about each of the users, in their order.
func (e *explainer) explain(ctx context.Context, users []string, out explanation) error {
	keys := make([]amau.UserKey, len(users))
	for i, user := range users {
		keys[i] = e.keyer.Key(e.org, user)
	}
	found := make([]map[amau.UserKey]amau.Evidence, len(e.periods)*len(e.meters))
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(explainReads)
	for i := range found {
		period, meter := e.periods[i/len(e.meters)], e.meters[i%len(e.meters)]
		reads.Go(func() (err error) {
			found[i], err = e.store.Find(readCtx, e.org, period.Key(), meter, keys)
			if err != nil {
				return fmt.Errorf("look %d users up in period %s: %w", len(keys), period.name, err)
			}
			return nil
		})
	}
	if err := reads.Wait(); err != nil {
		return err
	}
	for u, user := range users {
		for i := range found {
			evidence, counted := found[i][keys[u]]
			row := explained{user, e.periods[i/len(e.meters)].name, e.meters[i%len(e.meters)], counted, evidence}
			if err := out.add(row); err != nil {
				return err
			}
		}
	}
	return nil
}
