package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// errDamaged makes the exit status 1 when users of a close are missing.
var errDamaged = errors.New("users that were counted are missing from the ledger: restore it from a backup of after the close, then verify again")

func newVerifyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify",
		GroupID: groupRead,
		Short:   "Recount closed months and compare them with their close",
		Long: `Recount every closed month from its claims, compute the digest of its user keys
anew, and compare both with what the close wrote down. Of a ledger in a file, all pages
and indexes are checked first. It reads the whole of these months, which takes a while
on a large ledger, and writes nothing.

  unchanged  exactly the users of the close
  restated   users were added by events that came after the close
  damaged    users of the close are missing; the exit status is then 1`,
		Example: `  amau verify --store sqlite:amau.db
  amau verify --store dynamodb:amau-ledger --format json`,
		Args: cobra.NoArgs,
	}
	format := enumFlag(cmd, "format", "form of the answer", "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		found, err := a.verify(cmd)
		if err != nil {
			return err
		}
		if err := writeVerifications(a.stdout, found, *format); err != nil {
			return err
		}
		for _, v := range found {
			if v.Result == amau.Damaged {
				return errDamaged
			}
		}
		if len(found) == 0 {
			a.note("No month is closed yet, so there is nothing to compare; close one with amau close.")
		}
		return nil
	}
	return cmd
}

func (a *app) verify(cmd *cobra.Command) (found []amau.Verification, err error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	store, err := a.openStore(cmd.Context(), toRead)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if file, ok := store.(*sqlite.Ledger); ok {
		if err := file.Check(cmd.Context()); err != nil {
			return nil, err
		}
	}
	for v, err := range amau.Verify(cmd.Context(), store, s.org, s.contract.Zone()) {
		if err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, nil
}

// verificationJSON is one closed month in verify's JSON.
type verificationJSON struct {
	Period       string            `json:"period"`
	Result       amau.VerifyResult `json:"result"`
	ClosedAMAU   int64             `json:"closed_amau"`
	FoundAMAU    int64             `json:"found_amau"`
	ClosedDigest string            `json:"closed_digest"`
	FoundDigest  string            `json:"found_digest"`
}

func writeVerifications(w io.Writer, found []amau.Verification, format string) error {
	list := make([]verificationJSON, 0, len(found))
	for _, v := range found {
		list = append(list, verificationJSON{
			Period: v.Close.Period.ID, Result: v.Result, ClosedAMAU: v.Close.Counts[amau.Total], FoundAMAU: v.Found.Counts[amau.Total],
			ClosedDigest: v.Close.Digest, FoundDigest: v.Found.Digest,
		})
	}
	if format == "json" {
		return json.NewEncoder(w).Encode(struct {
			Periods []verificationJSON `json:"periods"`
		}{list})
	}
	for _, v := range list {
		line := fmt.Sprintf("%s %s: %d aMAU, %s", v.Period, v.Result, v.ClosedAMAU, v.ClosedDigest)
		if v.Result != amau.Unchanged {
			line = fmt.Sprintf("%s %s: closed with %d aMAU, %s; found %d, %s", v.Period, v.Result, v.ClosedAMAU, v.ClosedDigest, v.FoundAMAU, v.FoundDigest)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
