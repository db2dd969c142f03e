package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// explainedRows are a user who was counted in one of two months, and one who never was.
func explainedRows() ([]namedPeriod, []explained) {
	login := amau.Evidence{
		Type: "user.session.start", UUID: "7d1f8c1e-0001-11f0-9d4b-000000000001", Source: amau.FromHook,
		Published: time.Date(2026, 1, 20, 10, 0, 0, 123e6, time.UTC), Recorded: time.Date(2026, 1, 20, 10, 0, 1, 0, time.UTC),
	}
	token := login
	token.Type, token.UUID, token.Source = "app.oauth2.as.token.grant.refresh_token", "7d1f8c1e-0002-11f0-9d4b-000000000002", amau.FromPull
	token.Published = login.Published.Add(time.Hour)
	periods := []namedPeriod{{name: "2026-01-15"}, {name: "2026-02-15"}}
	return periods, []explained{
		{"00u1", "2026-01-15", amau.Total, true, login},
		{"00u1", "2026-01-15", amau.Session, true, login},
		{"00u1", "2026-01-15", amau.SSO, true, token},
		{"00u1", "2026-01-15", amau.API, false, amau.Evidence{}},
		{"00u1", "2026-02-15", amau.Total, false, amau.Evidence{}},
		{"=HYPERLINK(1)", "2026-01-15", amau.Total, false, amau.Evidence{}},
		{"=HYPERLINK(1)", "2026-02-15", amau.Total, false, amau.Evidence{}},
	}
}

func explanationOf(t *testing.T, format string) string {
	t.Helper()
	periods, rows := explainedRows()
	var b bytes.Buffer
	out := newExplanation(format, &b, "default", periods)
	for _, row := range rows {
		if err := out.add(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.end(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExplanationText(t *testing.T) {
	want := `00u1: counted in 1 of 2 recorded months
  2026-01-15  total, session by user.session.start
              published 2026-01-20T10:00:00.123Z, recorded 2026-01-20T10:00:01Z
              event 7d1f8c1e-0001-11f0-9d4b-000000000001, came by hook
              sso by app.oauth2.as.token.grant.refresh_token
              published 2026-01-20T11:00:00.123Z, recorded 2026-01-20T10:00:01Z
              event 7d1f8c1e-0002-11f0-9d4b-000000000002, came by pull
  2026-02-15  not counted

=HYPERLINK(1): counted in 0 of 2 recorded months
  2026-01-15  not counted
  2026-02-15  not counted
`
	if got := explanationOf(t, "text"); got != want {
		t.Errorf("it is\n%s", got)
	}
}

func TestExplanationCSV(t *testing.T) {
	want := `user,period,meter,counted,event_type,uuid,published,source,recorded
00u1,2026-01-15,total,true,user.session.start,7d1f8c1e-0001-11f0-9d4b-000000000001,2026-01-20T10:00:00.123Z,hook,2026-01-20T10:00:01Z
00u1,2026-01-15,session,true,user.session.start,7d1f8c1e-0001-11f0-9d4b-000000000001,2026-01-20T10:00:00.123Z,hook,2026-01-20T10:00:01Z
00u1,2026-01-15,sso,true,app.oauth2.as.token.grant.refresh_token,7d1f8c1e-0002-11f0-9d4b-000000000002,2026-01-20T11:00:00.123Z,pull,2026-01-20T10:00:01Z
00u1,2026-01-15,api,false,,,,,
00u1,2026-02-15,total,false,,,,,
'=HYPERLINK(1),2026-01-15,total,false,,,,,
'=HYPERLINK(1),2026-02-15,total,false,,,,,
`
	if got := explanationOf(t, "csv"); got != want {
		t.Errorf("it is\n%s", got)
	}
}

func TestExplanationJSON(t *testing.T) {
	var got struct {
		Version int
		Org     string
		Rows    []map[string]any
	}
	text := explanationOf(t, "json")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if got.Version != 1 || got.Org != "default" || len(got.Rows) != 7 {
		t.Fatalf("it is\n%s", text)
	}
	rows, err := csv.NewReader(bytes.NewBufferString(explanationOf(t, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range got.Rows {
		if len(row) != len(rows[0]) {
			t.Errorf("row %d has the members %v", i, row)
		}
		for column, name := range rows[0] {
			cell, value := rows[i+1][column], row[name]
			switch {
			case name == "counted":
				if (cell == "true") != value {
					t.Errorf("row %d: counted is %v, in the CSV %s", i, value, cell)
				}
			case name == "user": // the CSV guards it against spreadsheets
			case cell == "" && value != nil, cell != "" && value != cell:
				t.Errorf("row %d: %s is %v, in the CSV %q", i, name, value, cell)
			}
		}
	}
	empty := newExplanation("json", &bytes.Buffer{}, "default", nil)
	if err := empty.end(); err != nil {
		t.Error(err)
	}
}

// failAfter fails once it took n bytes, as a full disk does.
type failAfter struct{ n int }

var errFull = errors.New("full")

func (w *failAfter) Write(b []byte) (int, error) {
	if w.n -= len(b); w.n < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestExplanationSaysWhenItCannotWrite(t *testing.T) {
	for _, format := range []string{"text", "csv", "json"} {
		periods, rows := explainedRows()
		out := newExplanation(format, &failAfter{0}, "default", periods)
		var err error
		for range 1000 { // more than is buffered
			for _, row := range rows {
				if err == nil {
					err = out.add(row)
				}
			}
		}
		if err == nil {
			err = out.end()
		}
		if !errors.Is(err, errFull) {
			t.Errorf("%s: it gave %v", format, err)
		}
	}
}
