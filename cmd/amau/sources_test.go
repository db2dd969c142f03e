package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/oktatest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
)

// sourcesPage runs the commands of docs/sources.md against a stand-in. What happens between them
// is told there by comments, each of which has its function in happens.
type sourcesPage struct {
	t     *testing.T
	clock *oktatest.Clock
	org   *oktatest.Org
	site  *hookSite
	env   map[string]string
	words *strings.Replacer // page -> run
	back  *strings.Replacer // run -> page
}

func newSourcesPage(t *testing.T) *sourcesPage {
	p := &sourcesPage{t: t, clock: oktatest.NewClock(time.Date(2026, time.May, 20, 9, 0, 0, 0, time.UTC))}
	p.site = newHookSite(t, p.clock, amau.Term{Start: amau.Date{Year: 2026, Month: time.January, Day: 15}, Purchased: 1_200_000})
	var flags []string
	p.org, flags = newOkta(t, oktatest.Config{Clock: p.clock})
	p.env = map[string]string{
		"AMAU_OKTA_ORG_URL": flags[1], "AMAU_CLIENT_ID": flags[3], "AMAU_PRIVATE_KEY_FILE": flags[5],
		"AMAU_HOOK_SECRET_FILE": p.site.files.current, "AMAU_CONTRACT": "2026-01-15=1200000", "AMAU_STORE": "sqlite:" + p.site.ledger.Path(),
		"AMAU_USER_KEY_FILE": filepath.Join(t.TempDir(), "user.key"),
	}
	if err := os.WriteFile(p.env["AMAU_USER_KEY_FILE"], []byte(testUserKey), 0o600); err != nil {
		t.Fatal(err)
	}
	p.words = strings.NewReplacer("https://amau.acme.example/okta", p.site.url)
	p.back = strings.NewReplacer(p.site.url, "https://amau.acme.example/okta", flags[1], "https://acme.okta.com")
	return p
}

// amau runs one command and returns what a terminal would show.
func (p *sourcesPage) amau(args []string) string {
	p.t.Helper()
	var screen bytes.Buffer
	for i := range args {
		args[i] = p.words.Replace(args[i])
	}
	a := newApp(func(name string) string { return p.env[name] }, strings.NewReader(""), &screen, &screen)
	a.now = p.clock.Now
	if err := a.run(context.Background(), args); err != nil && !errors.Is(err, errNotReady) {
		p.t.Fatalf("amau %s: %v\n%s", strings.Join(args, " "), err, screen.String())
	}
	return regexp.MustCompile(`who[0-9a-z]{17}`).ReplaceAllString(p.back.Replace(screen.String()), "who1a2b3c4d5e6f7g8h9")
}

// happens says what the page's comments mean.
func (p *sourcesPage) happens(comment string) bool {
	signIns := func(from, to int, lost map[int]bool) {
		for u := from; u < to; u++ {
			e := oktatest.Event{Type: "user.session.start", User: fmt.Sprintf("00u%017d", u), Published: p.clock.Now()}
			p.org.Append(e)
			if lost != nil && !lost[u] {
				p.org.Deliver(e)
			}
			p.clock.Advance(time.Minute)
		}
	}
	switch comment {
	case "# The org had 250 active users in the last weeks.":
		now := p.clock.Now()
		for u := range 250 {
			p.org.Append(oktatest.Event{Type: "app.oauth2.token.grant.access_token", Client: "0oa1", User: fmt.Sprintf("00u%017d", u), Published: now.Add(time.Duration(u-400) * 3 * time.Hour)})
		}
	case "# In the next hour 40 more people sign in. Two deliveries never reach the receiver.":
		p.clock.Advance(hookDelay)
		signIns(1000, 1040, map[int]bool{1007: true, 1021: true})
		// The tallies become durable a moment later; another process reads them.
		p.reopen()
	case "# Two hours later.":
		p.clock.Advance(2 * time.Hour)
	default:
		return false
	}
	return true
}

// reopen makes everything that the receiver recorded visible to other handles.
func (p *sourcesPage) reopen() {
	p.t.Helper()
	path := p.site.ledger.Path()
	if err := p.site.ledger.Close(); err != nil {
		p.t.Fatal(err)
	}
	var err error
	if p.site.ledger, err = sqlite.Open(p.t.Context(), path, sqlite.Options{}); err != nil {
		p.t.Fatal(err)
	}
}

func TestSourcesPageShowsWhatTheCommandsAnswer(t *testing.T) {
	const path = "../../docs/sources.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(page), "```console\n")
	block, after, closed := strings.Cut(rest, "```\n")
	if !opened || !closed {
		t.Fatal("the page has no console block")
	}
	p := newSourcesPage(t)
	var ran strings.Builder
	commands := 0
	for _, line := range strings.Split(block, "\n") {
		if command, ok := strings.CutPrefix(line, "$ amau "); ok {
			ran.WriteString(line + "\n" + p.amau(strings.Fields(command)))
			commands++
		} else if strings.HasPrefix(line, "# ") {
			if !p.happens(line) {
				t.Fatalf("the test does not know what %q means", line)
			}
			ran.WriteString(line + "\n")
		}
	}
	if commands < 6 {
		t.Errorf("only %d commands were run", commands)
	}
	if ran.String() == block {
		return
	}
	if !*update {
		t.Fatalf("the page shows another answer; run the test with -update and look at the change:\n%s", ran.String())
	}
	if err := os.WriteFile(path, []byte(before+"```console\n"+ran.String()+"```\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
