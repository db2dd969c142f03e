// Command bench measures the numbers that this project promises, each beside its reference in the
// same run and by turns, so that whatever else the machine does meanwhile slows down both. It prints
// Markdown tables; docs/performance.md tells what each row means.
//
//	make bench                  some minutes; installs what it compares with
//	make bench BENCH_LONG=1     also 5 GB, larger samples, and how cost and time grow
//	go run ./internal/bench -only import
//
// Figures of parts come from the benchmarks beside the code, which it runs; it only measures itself what
// needs whole processes. It ends with 0 when all was measured, also when a goal was not reached, and with
// 1 when something could not be measured or an answer was wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run of the command.
type bench struct {
	root  string // the module's folder
	dir   string // for files; what is costly to make stays in it
	tools string // the folder of installed programs
	amau  string // the command under test
	runs  int    // of each pair
	long  bool
	log   io.Writer // what is going on
}

// A measure fills a part of the tables.
type measure struct {
	name string
	long bool // only in long runs
	f    func(*bench, context.Context) ([]table, error)
}

func measures() []measure {
	return []measure{
		{"import", false, (*bench).importAndReport},
		{"memory", false, (*bench).memory},
		{"decode", false, (*bench).decode},
		{"start", false, (*bench).start},
		{"duplicate", false, (*bench).duplicate},
		{"serve", false, (*bench).serve},
		{"reads", false, (*bench).reads},
		{"kill", false, (*bench).kill},
		{"environments", false, (*bench).environments},
		{"burst", false, (*bench).burst},
		{"growth", true, (*bench).growth},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 2 && args[0] == naiveCommand {
		return naive(args[1], stdout)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	runs := flags.Int("runs", 5, "how often each pair is measured; the table has medians")
	dir := flags.String("dir", ".bench", "folder for the files that are measured with")
	long := flags.Bool("long", false, "measure files of 5 GB and growth too")
	only := flags.String("only", "", "regular expression: measure only what it matches of "+names())
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil || *runs < 1 || flags.NArg() > 0 {
		return fmt.Errorf("wrong usage (-only must be a regular expression, -runs at least 1): %v", errors.Join(err))
	}
	b, err := newBench(*dir, stderr)
	if err != nil {
		return err
	}
	b.runs, b.long = *runs, *long
	fmt.Fprintf(stdout, "%s; medians of %d runs by turns\n", machine(), b.runs)
	var tables []table
	var failed error
	start := time.Now()
	for _, m := range measures() {
		if !wanted.MatchString(m.name) || m.long && !b.long {
			continue
		}
		b.say("measuring %s", m.name)
		got, err := m.f(b, ctx)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("measure %s: %w", m.name, err))
			b.say("%v", err)
		}
		tables = merge(tables, got)
	}
	for _, t := range tables {
		if err := t.write(stdout); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "\nMeasured in %s.\n", time.Since(start).Round(time.Second))
	return failed
}

func names() string {
	var list []string
	for _, m := range measures() {
		list = append(list, m.name)
	}
	return strings.Join(list, ", ")
}

// newBench finds what is needed and builds the command.
func newBench(dir string, log io.Writer) (*bench, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	b := &bench{root: filepath.Dir(strings.TrimSpace(string(out))), log: log, tools: os.Getenv("AMAU_TOOLS")}
	if b.tools == "" {
		b.tools = filepath.Join(b.root, ".tools")
	}
	if b.dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for the files: %w", err)
	}
	b.amau = filepath.Join(b.dir, "amau")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.amau, "./cmd/amau")
	build.Dir = b.root
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build amau: %w: %s", err, text)
	}
	return b, nil
}

// say tells what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}
