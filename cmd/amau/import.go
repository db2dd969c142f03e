package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

func newImportCmd(a *app) *cobra.Command {
	var rejects string
	cmd := &cobra.Command{
		Use:     "import FILE... | -",
		GroupID: groupCount,
		Short:   "Count the events in files",
		Long: `Count the events in files, or on standard input with -.

Files may hold one JSON document on each line (NDJSON), arrays, System Log pages,
event hook deliveries or EventBridge envelopes, and may be compressed with gzip or
Zstandard; all this is told by their content. Memory does not grow with their size.

Every good event is recorded, and importing a file again changes nothing. What cannot
be decoded is named on stderr as file:line, kept with --rejects, and makes the exit
status 1. At the end stdout gets one line:

  events    documents' events that could be decoded
  counted   of these, events that count for a user
  claims    distinct user-months per meter that they make
  new       of these, the ones that the ledger did not have
  rejected  lines and events that could not be decoded`,
		Example: `  amau import --contract 2026-01-15=1200000 systemlog.ndjson.gz
  zcat export/*.gz | amau import -
  amau import --rejects bad.ndjson quarantine/*`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&rejects, "rejects", "", "`file` that gets what was rejected, one per line; it is made only when something is")
	format := enumFlag(cmd, "format", "how the last line is written", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.importFiles(cmd.Context(), args, rejects, *format)
	}
	return cmd
}

// importResult is the line that import ends with.
type importResult struct {
	Events   int64 `json:"events"`
	Counted  int64 `json:"counted"`
	Claims   int64 `json:"claims"`
	New      int64 `json:"new"`
	Rejected int64 `json:"rejected"`
}

func (a *app) importFiles(ctx context.Context, names []string, rejectsFile, format string) (err error) {
	defer spend()() // at once: what the start of the program made is nearly enough for a collection
	s, err := a.settings()
	if err != nil {
		return err
	}
	total, err := sizeOf(names, rejectsFile)
	if err != nil {
		return err
	}
	store, err := a.openStore(ctx, toWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	recorder, err := a.recorder(ctx, store, s)
	if err != nil {
		return err
	}
	progress := a.newProgress("import", unitBytes, total)
	defer progress.Done()
	rejects := &rejectLog{stderr: a.stderr, file: rejectsFile}
	in := &intake{
		recorder: recorder,
		decoder:  okta.NewDecoder(s.rules, recorder.NeedsApps()),
		source:   amau.FromImport,
		reject:   rejects.add,
		size:     total,
	}
	read := func(bytes int64) {
		in.bytes.Add(bytes)
		progress.Add(bytes)
	}
	for _, name := range names {
		if err = a.importFile(ctx, in, rejects, read, name); err != nil {
			break
		}
	}
	err = errors.Join(err, in.finish(ctx), rejects.close())
	progress.Done()
	if err != nil {
		return fmt.Errorf("%w; what was read before is recorded, run the same import again", err)
	}
	result := importResult{in.summary.Events, in.summary.Counted(), in.summary.Claims, in.summary.New, rejects.n}
	if err := result.write(a.stdout, format); err != nil {
		return err
	}
	return rejects.failure()
}

func (r importResult) write(w io.Writer, format string) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := fmt.Fprintf(w, "events=%d counted=%d claims=%d new=%d rejected=%d\n", r.Events, r.Counted, r.Claims, r.New, r.Rejected)
	return err
}

// sizeOf returns the bytes of the files, 0 when standard input is among them. It finds files
// that are missing before anything is done.
func sizeOf(names []string, rejectsFile string) (total int64, err error) {
	rejects, _ := os.Stat(rejectsFile)
	unknown := false
	for _, name := range names {
		if name == "-" {
			unknown = true
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return 0, fmt.Errorf("import: %w; nothing was done", err)
		}
		if info.IsDir() {
			return 0, fmt.Errorf("import: %s is a folder, name its files; nothing was done", name)
		}
		if rejects != nil && os.SameFile(info, rejects) {
			return 0, usagef("--rejects %s is one of the files to import", rejectsFile)
		}
		total += info.Size()
	}
	if unknown {
		return 0, nil
	}
	return total, nil
}

// importFile reads one file, or standard input for -.
func (a *app) importFile(ctx context.Context, in *intake, rejects *rejectLog, read func(bytes int64), name string) error {
	rejects.name = name
	raw := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		defer f.Close()
		raw = f
	}
	r, err := decompress(raw, read)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer r.Close()
	if err := in.read(ctx, r); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
