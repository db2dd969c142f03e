package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

func newCloseCmd(a *app) *cobra.Command {
	var due bool
	var grace time.Duration
	cmd := &cobra.Command{
		Use:     "close PERIOD | --due",
		GroupID: groupCount,
		Short:   "Make a month final",
		Long: `Make a month final: write down its counts per meter, a SHA-256 over its sorted user
keys, by which source its users came first and how it filled day by day.

A close never changes. Events of the month that come later are still recorded, and
every later report shows the difference as a restatement. Closing a month again
changes nothing. A deployment closes months by itself, 72 hours after their end.

PERIOD is the date of the month's first day, as reports name it.`,
		Example: `  amau close --contract 2026-01-15=1200000 2026-01-15
  amau close --contract 2026-01-15=1200000 --due     # all that ended 72 h ago; for cron`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().BoolVar(&due, "due", false, "close every month that ended longer ago than --grace")
	cmd.Flags().DurationVar(&grace, "grace", amau.DefaultGrace, "`time` that late events have before --due closes a month")
	format := enumFlag(cmd, "format", "form of the answer", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if due == (len(args) == 1) {
			return usagef("give either a PERIOD or --due; see %s --help", cmd.CommandPath())
		}
		if grace < 0 {
			return usagef("%s is %s; it must not be below 0", a.flagName("grace"), grace)
		}
		closes, err := a.closePeriods(cmd, args, grace)
		if writeErr := writeCloses(a.stdout, closes, *format); err == nil {
			err = writeErr
		}
		return err
	}
	return cmd
}

// closePeriods closes the period that args name, or all that are due.
func (a *app) closePeriods(cmd *cobra.Command, args []string, grace time.Duration) (closes []amau.Close, err error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	var period amau.Period
	if len(args) == 1 {
		if period, err = a.period(args[0], s.contract); err != nil {
			return nil, err
		}
	}
	ctx := cmd.Context()
	store, err := a.openStore(ctx, toChange)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	cfg := amau.CloseConfig{Org: s.org, Contract: s.contract, Rules: s.rules, Grace: max(grace, 1), Now: a.now} // zero would be the default
	if len(args) == 0 {
		return amau.CloseDue(ctx, store, cfg)
	}
	c, err := amau.ClosePeriod(ctx, store, cfg, period)
	if err != nil {
		return nil, err
	}
	return []amau.Close{c}, nil
}

// period returns the contract's period of that id.
func (a *app) period(id string, c *amau.Contract) (amau.Period, error) {
	noon, err := a.date("", id, c.Zone())
	if err != nil {
		return amau.Period{}, usagef("PERIOD %q is not a date like 2026-01-15", id)
	}
	p := c.PeriodOf(noon)
	if p.ID != id {
		return amau.Period{}, usagef("no month begins on %s by %s; the one that holds it begins on %s", id, c, p.ID)
	}
	return p, nil
}

func writeCloses(w io.Writer, closes []amau.Close, format string) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(struct {
			Closes []amau.Close `json:"closes"`
		}{append([]amau.Close{}, closes...)})
	}
	for _, c := range closes {
		if _, err := fmt.Fprintf(w, "%s is final: %d aMAU, %s, closed %s\n", c.Period.ID, c.Counts[amau.Total], c.Digest, c.ClosedAt.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
		if c.Restated != nil {
			if _, err := fmt.Fprintf(w, "%s is restated: %d aMAU on %s\n", c.Period.ID, c.Restated.Counts[amau.Total], c.Restated.At.UTC().Format(time.RFC3339)); err != nil {
				return err
			}
		}
	}
	return nil
}
