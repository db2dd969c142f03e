package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the recount; not the ledger's code
)

// The recount below is written from the query in Okta's public definition, in SQL over the
// events' JSON, and shares no code with ours: WHERE EVENT_TYPE IN (...) AND RESULT='SUCCESS' AND
// (GRANT_TYPE<>'client_credentials' OR GRANT_TYPE IS NULL), then the number of unique users. The
// user is the first target that is one, else the actor.
const recountSQL = `
CREATE TEMP TABLE active AS
SELECT event ->> '$.eventType' AS type,
  substr(event ->> '$.published', 1, 10) AS day,
  coalesce(
    (SELECT t.value ->> '$.id' FROM json_each(event, '$.target') t
     WHERE t.value ->> '$.type' = 'User' AND coalesce(t.value ->> '$.id', '') NOT IN ('', 'unknown')
     ORDER BY t.key LIMIT 1),
    CASE WHEN event ->> '$.actor.type' = 'User' AND event ->> '$.actor.id' NOT IN ('', 'unknown') THEN event ->> '$.actor.id' END
  ) AS user
FROM raw
WHERE event ->> '$.eventType' IN (
    'user.authentication.sso', 'user.session.start',
    'app.oauth2.as.authorize.implicit.id_token', 'app.oauth2.as.token.grant.id_token', 'app.oauth2.as.token.grant.refresh_token',
    'app.oauth2.authorize.implicit.id_token', 'app.oauth2.authorize.implicit.access_token',
    'app.oauth2.token.grant.access_token', 'app.oauth2.token.grant.id_token', 'app.oauth2.token.grant.refresh_token',
    'app.oauth2.as.authorize.implicit.access_token', 'app.oauth2.as.token.grant.access_token')
  AND event ->> '$.outcome.result' = 'SUCCESS'
  AND (event ->> '$.debugContext.debugData.grantType' <> 'client_credentials' OR event ->> '$.debugContext.debugData.grantType' IS NULL);
CREATE TEMP TABLE class AS SELECT type, CASE
    WHEN type IN ('user.authentication.sso', 'user.session.start') THEN 'session'
    WHEN type IN ('app.oauth2.as.authorize.implicit.access_token', 'app.oauth2.as.token.grant.access_token') THEN 'api'
    ELSE 'sso' END AS meter
  FROM (SELECT DISTINCT type FROM active);`

// Months of the contract begin on the 31st, or on the last day of a shorter month, in UTC; these
// are the first days, also written by hand.
const monthsSQL = `
SELECT m.id, 'total', count(DISTINCT user) FROM month m JOIN active a ON a.day >= m.id AND a.day < m.next WHERE user IS NOT NULL GROUP BY 1
UNION ALL
SELECT m.id, c.meter, count(DISTINCT user) FROM month m JOIN active a ON a.day >= m.id AND a.day < m.next JOIN class c USING (type)
WHERE user IS NOT NULL GROUP BY 1, 2`

// TestRecountInSQL holds our counts of more than 100,000 events against SQL over the same
// events.
func TestRecountInSQL(t *testing.T) {
	w := newWorld(t)
	w.amau("", "simulate", "--users", "2400", "--events", "105000", "--seed", "3", "--start", "2025-01-31", "-o", "year.ndjson")
	w.amau("", "import", "year.ndjson")
	r := w.report("2025-06-01")

	counts, events := recount(t, filepath.Join(w.dir, "year.ndjson"), []string{
		"2025-01-31", "2025-02-28", "2025-03-31", "2025-04-30", "2025-05-31", "2025-06-30", "2025-07-31", "2025-08-31",
		"2025-09-30", "2025-10-31", "2025-11-30", "2025-12-31", "2026-01-31",
	})
	if events < 100_000 {
		t.Errorf("only %d events", events)
	}
	compared := 0
	for _, p := range r.Periods {
		for meter, got := range p.Meters {
			if want := counts[p.ID+" "+meter]; got != want || want == 0 {
				t.Errorf("%s %s: %d, by SQL %d", p.ID, meter, got, want)
			}
			compared++
		}
	}
	if compared != 12*4 || len(counts) != compared {
		t.Errorf("%d numbers compared, SQL has %d", compared, len(counts))
	}
}

// recount returns the counts by "month meter" of the events in a file, and how many there are.
func recount(t *testing.T, file string, months []string) (counts map[string]int64, events int) {
	t.Helper()
	ctx := t.Context()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "recount.db"))
	must(t, err)
	defer db.Close()
	conn, err := db.Conn(ctx) // temporary tables belong to a connection
	must(t, err)
	defer conn.Close()
	must(t, execAll(ctx, conn, "PRAGMA synchronous = OFF", "CREATE TABLE raw (event TEXT)", "CREATE TEMP TABLE month (id TEXT, next TEXT)"))
	for i, first := range months[:len(months)-1] {
		_, err := conn.ExecContext(ctx, "INSERT INTO month VALUES (?, ?)", first, months[i+1])
		must(t, err)
	}
	events, err = insertLines(ctx, conn, file)
	must(t, err)
	must(t, execAll(ctx, conn, recountSQL))
	rows, err := conn.QueryContext(ctx, monthsSQL)
	must(t, err)
	defer rows.Close()
	counts = map[string]int64{}
	for rows.Next() {
		var month, meter string
		var n int64
		must(t, rows.Scan(&month, &meter, &n))
		counts[month+" "+meter] = n
	}
	must(t, rows.Err())
	return counts, events
}

func execAll(ctx context.Context, conn *sql.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// insertLines puts each line of the file into the table raw.
func insertLines(ctx context.Context, conn *sql.Conn, file string) (events int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := execAll(ctx, conn, "BEGIN"); err != nil {
		return 0, err
	}
	insert, err := conn.PrepareContext(ctx, "INSERT INTO raw VALUES (?)")
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if _, err := insert.ExecContext(ctx, lines.Text()); err != nil {
			return events, err
		}
		events++
	}
	if err := lines.Err(); err != nil {
		return events, err
	}
	return events, execAll(ctx, conn, "COMMIT")
}
