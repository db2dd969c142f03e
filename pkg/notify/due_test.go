package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/mailtest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/mail"
	"github.com/okta-amau/okta-amau/pkg/notify"
)

// year is a world with a contract in which users sign in and every day is a run.
type year struct {
	*world
	contract   *amau.Contract
	thresholds []int
	to         []string
	stop       int    // a run ends after so many mails; 0: it does not
	refuse     string // a recipient whose mails are refused
	failures   int    // of the last run
}

func newYear(t *testing.T, terms string) *year {
	t.Helper()
	y := &year{world: newWorld(t), thresholds: notify.DefaultThresholds(), to: everybody[:1]}
	parsed, err := amau.ParseTerms(terms)
	if err == nil {
		y.contract, err = amau.NewContract(parsed, amau.ByContract, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func (y *year) clock() time.Time { return y.now }

// signIn records that so many users signed in on a day.
func (y *year) signIn(t *testing.T, day string, users int) {
	t.Helper()
	keyer, err := amau.NewKeyer([]byte("a pseudonym key of tests"))
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := amau.NewRecorder(amau.Config{Org: "default", Contract: y.contract, Keyer: keyer, Now: y.clock}, y.store)
	if err != nil {
		t.Fatal(err)
	}
	var events []amau.Event
	for n := range users {
		user := amau.Entity{Type: "User", ID: fmt.Sprintf("00u%d", n)}
		events = append(events, amau.Event{UUID: fmt.Sprint(day, n), Type: "user.session.start", Published: date(t, day), Result: "SUCCESS", Actor: user})
	}
	if _, err := recorder.Record(t.Context(), amau.FromImport, events); err != nil {
		t.Fatal(err)
	}
}

func date(t *testing.T, day string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// run runs on a day and returns the subjects of the mails that the first recipient got in it.
func (y *year) run(t *testing.T, day string) []string {
	t.Helper()
	y.now = date(t, day).Add(6 * time.Hour)
	y.mime, y.got = nil, map[string][]string{}
	counted, err := notify.Count(t.Context(), y.store,
		amau.CloseConfig{Org: "default", Contract: y.contract, Now: y.clock},
		amau.ReportConfig{Org: "default", Contract: y.contract, Now: y.clock})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := y.config(senderFunc(func(ctx context.Context, m *mail.Message) error {
		if m.To == y.refuse {
			return errors.New("refused")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if y.stop > 0 && len(y.mime)+1 == y.stop {
			defer cancel()
		}
		return y.Send(ctx, m)
	}))
	cfg.To = y.to
	result, err := counted.Send(ctx, y.store, cfg, y.thresholds)
	if err != nil && y.stop == 0 {
		t.Fatal(err)
	}
	y.failures = len(result.Failures)
	var subjects []string
	for _, raw := range y.mime {
		subjects = append(subjects, strings.TrimPrefix(mailtest.Parse(t, raw).Subject, "aMAU: "))
	}
	return subjects
}

func (y *year) expect(t *testing.T, day string, want ...string) {
	t.Helper()
	if got := y.run(t, day); !slices.Equal(got, want) {
		t.Errorf("on %s the mails were %q, not %q", day, got, want)
	}
}

func TestAPeriodIsToldWhenItIsClosed(t *testing.T) {
	y := newYear(t, "2026-01-15")
	y.signIn(t, "2026-01-20", 3)
	y.expect(t, "2026-01-21")
	y.expect(t, "2026-02-17")
	y.expect(t, "2026-02-18", "3 active users from 15 Jan to 14 Feb 2026")
	y.expect(t, "2026-02-19")
	y.signIn(t, "2026-01-21", 5) // late
	y.expect(t, "2026-02-20")
	y.signIn(t, "2026-02-21", 4)
	if got := y.run(t, "2026-03-20"); len(got) != 1 || !strings.Contains(strings.Join(strings.Fields(mailtest.Parse(t, y.mime[0]).Text), " "), "15 Jan – 14 Feb 2026 had 3 active users in the last mail and has 5 now, 2 more") {
		t.Errorf("the mails were %q:\n%.3000s", got, y.mime)
	}
}

// What was closed before there were mails is not told, but for the newest.
func TestTheFirstRunTellsOfTheNewestOnly(t *testing.T) {
	y := newYear(t, "2026-01-15")
	for _, day := range []string{"2026-01-20", "2026-02-20", "2026-03-20", "2026-04-20"} {
		y.signIn(t, day, 2)
	}
	y.expect(t, "2026-05-02", "2 active users from 15 Mar to 14 Apr 2026")
	y.expect(t, "2026-05-03")
	y.expect(t, "2026-07-20", "2 active users from 15 Apr to 14 May 2026", "0 active users from 15 May to 14 Jun 2026", "0 active users from 15 Jun to 14 Jul 2026")
}

func TestThresholds(t *testing.T) {
	y := newYear(t, "2026-01-01=100")
	y.signIn(t, "2026-01-02", 79)
	y.expect(t, "2026-01-03")
	y.signIn(t, "2026-01-03", 80)
	y.expect(t, "2026-01-04", "80 % of the purchased amount is used (80 of 100)")
	y.expect(t, "2026-01-05")
	y.signIn(t, "2026-01-05", 101) // 90 is passed over
	y.expect(t, "2026-01-06", "The purchased amount is used up (101 of 100)")
	y.expect(t, "2026-01-07")
	y.thresholds = append(y.thresholds, 101)
	y.expect(t, "2026-01-08", "101 % of the purchased amount is used (101 of 100)")
	// More was purchased: what was told of the old amount says nothing of the new one.
	y.contract = newYear(t, "2026-01-01=125").contract
	y.expect(t, "2026-01-09", "80 % of the purchased amount is used (101 of 125)")
}

// The last month of a year is closed in the next year, and late events can still use the year up.
func TestTheYearBefore(t *testing.T) {
	y := newYear(t, "2025-01-01=100")
	y.signIn(t, "2025-12-20", 99)
	y.expect(t, "2025-12-30", "90 % of the purchased amount is used (99 of 100)")
	y.expect(t, "2026-01-05", "99 active users in December 2025")
	y.signIn(t, "2025-12-21", 100)
	y.expect(t, "2026-01-06", "The purchased amount was used up (100 of 100)")
	if text := strings.Join(strings.Fields(mailtest.Parse(t, y.mime[0]).Text), " "); !strings.Contains(text, "The contract year ended on 31 Dec 2025.") || strings.Contains(text, "from now on") {
		t.Errorf("the mail about the year that is over says\n%s", text)
	}
	y.expect(t, "2026-06-01", "0 active users in January 2026", "0 active users in February 2026", "0 active users in March 2026", "0 active users in April 2026")
}

// What nobody was told of because no run came is told by the next one, however late it comes
// and however many contract years lie between.
func TestALongPauseLosesNoClose(t *testing.T) {
	y := newYear(t, "2025-01-01=100")
	y.signIn(t, "2025-08-20", 2)
	y.expect(t, "2025-09-04", "2 active users in August 2025")
	y.signIn(t, "2025-10-20", 85)
	y.signIn(t, "2026-02-20", 4)
	y.expect(t, "2026-05-20", // 140 days after the year's turn
		"0 active users in September 2025", "85 active users in October 2025", "0 active users in November 2025", "0 active users in December 2025",
		"80 % of the purchased amount was used (87 of 100)",
		"0 active users in January 2026", "4 active users in February 2026", "0 active users in March 2026", "0 active users in April 2026")
	y.expect(t, "2026-05-21")
	y.signIn(t, "2026-06-20", 3)
	y.signIn(t, "2027-11-20", 6)
	got := y.run(t, "2028-02-20") // two turns later; empty months of more than 400 days ago are not closed
	if len(got) != 14 || got[0] != "3 active users in June 2026" || got[1] != "0 active users in January 2027" || got[11] != "6 active users in November 2027" || got[13] != "0 active users in January 2028" {
		t.Errorf("after two years the mails were %q", got)
	}
	y.expect(t, "2028-02-21")
}

// A run that is stopped in the middle of making good leaves the rest to the next one, and an
// address that is always refused does not bring back all years for ever.
func TestALongPauseAndFailures(t *testing.T) {
	y := newYear(t, "2025-01-01=100")
	y.signIn(t, "2025-08-20", 2)
	y.expect(t, "2025-09-04", "2 active users in August 2025")
	y.stop = 1
	if got := y.run(t, "2026-05-20"); !slices.Equal(got, []string{"0 active users in September 2025"}) {
		t.Errorf("the run that was stopped sent %q", got)
	}
	y.stop = 0
	if got := y.run(t, "2026-05-21"); len(got) != 7 || got[0] != "0 active users in October 2025" || got[6] != "0 active users in April 2026" {
		t.Errorf("the run after it sent %q", got)
	}

	y = newYear(t, "2025-01-01=100")
	y.signIn(t, "2025-08-20", 2)
	y.to = everybody
	y.refuse = everybody[1]
	y.run(t, "2025-09-04")
	y.run(t, "2026-05-20")
	y.run(t, "2026-05-21")
	if y.failures != 4 { // the months of this year, not those of the last
		t.Errorf("%d mails were refused", y.failures)
	}
}

func TestParseThresholds(t *testing.T) {
	if got, err := notify.ParseThresholds("80, 95%,100 %,"); err != nil || !slices.Equal(got, []int{80, 95, 100}) {
		t.Errorf("%v: %v", got, err)
	}
	for _, bad := range []string{"most", "0", "-1", "1001", "80.5"} {
		if _, err := notify.ParseThresholds(bad); !errors.Is(err, amau.ErrBadInput) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTheForecastFirstExceeds(t *testing.T) {
	y := newYear(t, "2026-01-01=100")
	for _, month := range []string{"2026-01", "2026-02", "2026-03"} {
		y.signIn(t, month+"-01", 10)
		y.run(t, month+"-10")
	}
	y.signIn(t, "2026-04-01", 10)
	y.expect(t, "2026-04-20", "10 active users in March 2026") // it was told on the tenth
	y = newYear(t, "2026-01-01=100")
	for _, month := range []string{"2026-01", "2026-02", "2026-03"} {
		y.signIn(t, month+"-01", 10)
	}
	got := y.run(t, "2026-03-20")
	if len(got) != 2 || got[0] != "10 active users in February 2026" || !strings.HasPrefix(got[1], "The purchased amount is expected to run out about ") {
		t.Errorf("the mails were %q", got)
	}
	y.expect(t, "2026-03-21")
	y.contract = newYear(t, "2026-01-01=1000").contract
	y.expect(t, "2026-03-22")
	y.contract = newYear(t, "2026-01-01=110").contract
	if got := y.run(t, "2026-03-23"); len(got) != 1 {
		t.Errorf("the mails were %q", got)
	}
}
