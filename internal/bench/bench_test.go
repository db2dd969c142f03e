package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseBenchmarks(t *testing.T) {
	s := samples{}
	s.parse([]byte(`goos: linux
BenchmarkServe/new-2         	   10000	      6308 bare/s	         0.2403 of-bare
BenchmarkServe/new-2         	   10000	      6000 bare/s	         0.5 of-bare
BenchmarkDecodeEvent/encoding-json-2  	 200	 267881 ns/op	   8.58 MB/s	 9030 B/op	 243 allocs/op
--- BENCH: BenchmarkDecodeEvent
PASS`))
	if got, err := s.of("Serve/new", "of-bare", 2); err != nil || got[0] != 0.2403 || got[1] != 0.5 {
		t.Errorf("of-bare: %v, %v", got, err)
	}
	if got, err := s.of("DecodeEvent/encoding-json", "allocs/op", 1); err != nil || got[0] != 243 {
		t.Errorf("allocs/op: %v, %v", got, err)
	}
	if _, err := s.of("Serve/new", "bare/s", 3); err == nil {
		t.Error("two values pass for three")
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", 99999.6: "100,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%v is written %q, want %q", n, got, want)
		}
	}
	// Each run is compared with the one beside it: the machine was slow for the second pair.
	if got := medianRatio([]int64{30, 300, 20}, []int64{10, 100, 10}); got != 3 {
		t.Errorf("the median ratio is %v", got)
	}
}

func TestTable(t *testing.T) {
	var text strings.Builder
	g := goals(goal{what: "a", ours: "1 µs", goal: "≥ 2×", reached: true}, goal{what: "b", goal: "0"}, goal{what: "c"})
	for _, table := range merge([]table{g}, []table{goals(goal{what: "d"})}) {
		if err := table.write(&text); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != 8 || !strings.HasSuffix(lines[4], "≥ 2× | yes     |") || !strings.HasSuffix(lines[5], "0    | no      |") || !strings.HasSuffix(lines[6], "|      |         |") {
		t.Errorf("%s", text.String())
	}
}

func TestRepeated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(&repeated{path: path, times: 3})
	if err != nil || string(got) != "line\nline\nline\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// The naive reference counts by the rules: it is compared with in each run.
func TestNaive(t *testing.T) {
	const file = `{"published":"2025-02-14T23:59:59.999Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00u1","type":"User"},"version":0}
{"published":"2025-02-15T00:00:00Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"},"actor":{"id":"00u1","type":"User"},"target":null}
{"published":"2025-02-16T00:00:00Z","eventType":"user.session.start","outcome":{"result":"FAILURE"},"actor":{"id":"00u2","type":"User"}}
{"published":"2025-02-16T00:00:00Z","eventType":"app.oauth2.token.grant.id_token","outcome":{"result":"SUCCESS"},"actor":{"id":"0oa1","type":"PublicClientApp"},"target":[{"id":"00u3","type":"User"}]}
{"published":"2025-02-16T00:00:00Z","eventType":"app.oauth2.token.grant.access_token","outcome":{"result":"SUCCESS"},"target":[{"id":"00u4","type":"User"}],"debugContext":{"debugData":{"grantType":"client_credentials"}}}
`
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{naiveCommand, path}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	got := counts{}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (counts{"2025-01-15 total": 1, "2025-02-15 total": 2}); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"-only", "("}, {"-runs", "0"}, {"extra"}, {"-unknown"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
