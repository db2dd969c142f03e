package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/internal/awstest"
)

func TestSchedule(t *testing.T) {
	d := awstest.New(t)
	payload, err := os.ReadFile("../../events/report-schedule.json")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h, err := newHandler(d.Getenv, &log)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second run replaces the first one's report
		if err := h.handle(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
	}
	note, err := h.store.Note(t.Context(), "default", noteReport)
	if err != nil || note.Version != 2 {
		t.Fatalf("note of version %d: %v", note.Version, err)
	}
	var kept struct{ Version, AMAU int64 }
	if err := json.Unmarshal(note.Value, &kept); err != nil || kept.Version != 1 {
		t.Errorf("the ledger keeps %s: %v", note.Value, err)
	}
	for _, metric := range []string{`"ReportRun":1`, `"AmauUsed":0`, `"AmauUsedPercent":0`, `"Meter":"total"`} {
		if !strings.Contains(log.String(), metric) {
			t.Errorf("no metric %s: %s", metric, log.String())
		}
	}
}
