package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is what the commands share: the outside world, and the settings that every command
// takes. A command is built by newXCmd(app) in a file of its own; what it needs from the
// settings it asks of the methods in config.go and store.go, which say what is wrong with them.
type app struct {
	getenv func(string) string
	stdin  io.Reader
	stdout io.Writer // results, nothing else
	stderr io.Writer // errors, progress, logs
	now    func() time.Time

	flags   globalFlags
	fromEnv map[string]string // :: name of a flag -> the variable that set it
}

// run is the whole program apart from the process around it.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) error {
	return newApp(getenv, stdin, stdout, stderr).run(ctx, args)
}

func newApp(getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now, fromEnv: map[string]string{}}
}

func (a *app) run(ctx context.Context, args []string) error {
	a.stdin = newStoppable(ctx, a.stdin)
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		// Whatever it looks like where the interrupt hit, it is one.
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// The groups in which the help lists the commands.
const (
	groupCount = "count" // brings events into the ledger
	groupRead  = "read"  // says what is in it
	groupOkta  = "okta"  // deals with the org, or stands in for it
)

func newRootCmd(a *app) *cobra.Command {
	root := newParentCmd(&cobra.Command{
		Use:   "amau",
		Short: "Count the annual monthly active users (aMAU) of an Okta org",
		Long: `amau counts the annual monthly active users (aMAU) of an Okta org from Okta's own
events: the unique users of each contract month, added up over the contract year.

Everything is kept in a ledger, an SQLite file unless --store says otherwise. Events
may come in any order, from several sources and any number of times: the count is
the same.

Every flag can be given by the environment variable that its help names; a flag on
the command line wins. Exit status: 0 done, 1 failed or something rejected, 2 wrong
usage.`,
		Example: `  # Count a System Log export, then read the contract year.
  amau import --contract 2026-01-15=1200000 events.ndjson.gz
  amau report --contract 2026-01-15=1200000`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.prepare(cmd)
		},
	})
	root.AddGroup(
		&cobra.Group{ID: groupCount, Title: "Count:"},
		&cobra.Group{ID: groupRead, Title: "Read:"},
		&cobra.Group{ID: groupOkta, Title: "Okta:"},
	)
	a.flags.register(root)
	root.AddCommand(
		newServeCmd(a),
		newImportCmd(a),
		newCloseCmd(a),
		newVerifyCmd(a),
		newPullCmd(a),
		newReportCmd(a),
		newExplainCmd(a),
		newNotifyCmd(a),
		newHookCmd(a),
		newStreamCmd(a),
		newSimulateCmd(a),
		newVersionCmd(a),
	)
	// 100 columns hold the longest flags; words that are cut by the screen are harder to read.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages |", ".FlagUsagesWrapped 100 |"))
	root.SetHelpCommand(newHelpCmd(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			newParentCmd(cmd)
		}
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	finish(root)
	return root
}

// newHelpCmd is cobra's own, which shows the help of amau for a command that is not there.
func newHelpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Show the help of a command",
		Long:    `Show the help of a command, as the flag --help does.`,
		Example: `  amau help report`,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("there is no command %q; see amau --help", strings.Join(args, " "))
			}
			return cmd.Help()
		},
	}
}

// newParentCmd makes cmd a command that only holds others: alone it shows its help, and a word
// that is no command is wrong usage.
func newParentCmd(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := "see " + cmd.CommandPath() + " --help"
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return usagef("there is no command %q; %s", args[0], hint)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// finish gives every command the variables of its flags in its help, and makes its complaints
// about arguments wrong usage.
func finish(cmd *cobra.Command) {
	describeEnv(cmd.LocalNonPersistentFlags())
	describeEnv(cmd.PersistentFlags())
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil || exitCode(err) == 2 {
				return err
			}
			return usagef("%w; see %s --help", err, cmd.CommandPath())
		}
	}
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

// prepare fills in what the environment gives and checks which flags were given together. It
// runs before each command, which therefore has no PersistentPreRun of its own.
func (a *app) prepare(cmd *cobra.Command) error {
	if err := a.setFromEnv(cmd.Flags()); err != nil {
		return err
	}
	err := cmd.ValidateRequiredFlags()
	if err == nil {
		err = cmd.ValidateFlagGroups()
	}
	if err != nil {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	}
	return nil
}
