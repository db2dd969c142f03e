package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
	"github.com/okta-amau/okta-amau/pkg/statement"
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

With --compare the report also sets each month against what Okta says: a CSV file
with month and count (- is stdin), or the year's number itself. It names what in the
ledger can have made a difference, and what it assumed. The exit status is 0 also
when the numbers differ; docs/compare.md says more.

  month,count        a header is optional; comma, semicolon or tab
  2026-01,83000      or Jan 2026, or 2026-01-15 where months begin on the 15th
  2026-02,"83,500"   thousands may be separated; a row named total is the sum

The text and the page are for people. What --format json and csv promise to
programs stands in cmd/amau/OUTPUT.md.`,
		Example: `  amau report --contract 2026-01-15=1200000
  amau report --contract 2026-01-15=1200000 --as-of 2026-12-31 --format csv -o year.csv
  amau report --store dynamodb:amau-ledger --format json | jq .amau
  amau report --contract 2026-01-15=1200000 --compare okta.csv
  amau report --contract 2026-01-15=1200000 --compare 431000`,
		Args: cobra.NoArgs,
	}
	asOf := cmd.Flags().String("as-of", "", "`date` in the contract year to report on, like 2026-05-20; default today")
	format := enumFlag(cmd, "format", "form of the report", words(report.Formats())...)
	compare := cmd.Flags().String("compare", "", "what Okta says, to compare with: a CSV `FILE|-|NUMBER` of month and count, or the year's number")
	output := cmd.Flags().StringP("output", "o", "", "`file` to write to, in place of stdout; it is replaced as a whole or not at all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		defer spend()()
		r, err := a.buildReport(cmd.Context(), *asOf, *compare)
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

// buildReport counts the contract year that holds the date asOf, empty for today, and compares
// it with what compare names, if it names anything.
func (a *app) buildReport(ctx context.Context, asOf, compare string) (*amau.Report, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	at, err := a.date("as-of", asOf, s.contract.Zone())
	if err != nil {
		return nil, err
	}
	stated, err := a.statement(compare)
	if err != nil {
		return nil, err
	}
	store, err := a.openStore(ctx, toRead)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	r, err := amau.BuildReport(ctx, store, a.reportConfig(s, at))
	if err != nil || stated == nil {
		return r, err
	}
	if err := r.Compare(ctx, store, s.rules, *stated); errors.Is(err, amau.ErrBadInput) {
		return nil, usagef("%s %s: %w", a.flagName("compare"), compare, err)
	} else if err != nil {
		return nil, err
	}
	return r, nil
}

// statement reads what --compare names: the year's number itself, - for stdin, or a file; nil
// for "". A number is always a number, and ./2026 is a file.
func (a *app) statement(name string) (*amau.Statement, error) {
	if name == "" {
		return nil, nil
	}
	if n, err := statement.ParseCount(name); err == nil {
		return &amau.Statement{Total: &n}, nil
	}
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("%s: %w; give a CSV file of month and count, - for stdin, or a number", a.flagName("compare"), err)
		}
		defer f.Close()
		in = f
	}
	s, err := statement.Read(in)
	if errors.Is(err, amau.ErrBadInput) {
		return nil, usagef("%s %s: %w", a.flagName("compare"), name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", a.flagName("compare"), name, err)
	}
	return &s, nil
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
