package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

func newReportCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "report",
		GroupID: groupRead,
		Short:   "Show the aMAU of a contract year",
		Long: `Show the aMAU of the contract year that holds a day, today unless --as-of names
another: used, purchased and remaining, each month by meter, which source brought
the users first, and what to know before relying on the number.

Give the same --contract, --periods and --timezone as where the events came in; the
report says so when they differ. No pseudonym key is needed.

The text and the page are for people. What --format json and csv promise to
programs stands in cmd/amau/OUTPUT.md.`,
		Example: `  amau report --contract 2026-01-15=1200000
  amau report --contract 2026-01-15=1200000 --as-of 2026-12-31 --format csv -o year.csv
  amau report --store dynamodb:amau-ledger --format json | jq .amau`,
		Args: cobra.NoArgs,
	}
	asOf := cmd.Flags().String("as-of", "", "`date` in the contract year to report on, like 2026-05-20; default today")
	format := enumFlag(cmd, "format", "form of the report", words(report.Formats())...)
	output := cmd.Flags().StringP("output", "o", "", "`file` to write to, in place of stdout; it is replaced as a whole or not at all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := a.buildReport(cmd.Context(), *asOf)
		if err != nil {
			return err
		}
		return a.writeOutput(*output, func(w io.Writer) error {
			if report.Format(*format) == report.FormatText {
				return report.Text(w, r, report.TextOptions{Color: *output == "" && a.showsColor()})
			}
			return report.Write(w, report.Format(*format), r)
		})
	}
	return cmd
}

// words returns names as plain strings.
func words[S ~string](names []S) []string {
	var out []string
	for _, name := range names {
		out = append(out, string(name))
	}
	return out
}

// buildReport counts the contract year that holds the date asOf, empty for today.
func (a *app) buildReport(ctx context.Context, asOf string) (*amau.Report, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	at, err := a.date("as-of", asOf, s.contract.Zone())
	if err != nil {
		return nil, err
	}
	store, err := a.openStore(ctx, toRead)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	return amau.BuildReport(ctx, store, a.reportConfig(s, at))
}

// reportConfig says what to report on by the settings, for the instant at; zero is now.
func (a *app) reportConfig(s settings, at time.Time) amau.ReportConfig {
	return amau.ReportConfig{Org: s.org, Contract: s.contract, Rules: s.rules, AsOf: at, Exclusions: s.exclusions, Now: a.now}
}

// showsColor reports whether stdout is a terminal whose user did not decline colours, by the
// convention of https://no-color.org.
func (a *app) showsColor() bool {
	return isTerminal(a.stdout) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}
