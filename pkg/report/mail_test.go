package report_test

import (
	"bytes"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// letters are the mails that the golden files show, by name.
func letters(t testing.TB) map[string]report.Letter {
	year := fullYear(t)
	short := fullYear(t)
	short.Forecast = nil
	short.NoForecast = "A forecast needs 2 complete months; 1 is known. Earlier ones are known once they are closed, as amau close --due does."
	runsOut := amau.Date{Year: 2026, Month: 12, Day: 20}
	year.Forecast = &amau.Forecast{
		Total: 1_240_000, Low: 1_180_000, High: 1_300_000, ExhaustedOn: &runsOut,
		Method: "The running month is filled up as the last months filled day by day; each coming month is the same month of last year times the growth of the last 3 months over last year; low and high lie 5 % below and above, the most that this was wrong on earlier months.",
	}
	lastMail := report.SaidBy(year)
	lastMail.At = instant(t, "2026-04-18T06:10:00Z")
	lastMail.Used = 331_002
	lastMail.Closed["2026-02-15"] = 80_000
	delete(lastMail.Closed, "2026-03-15")
	all := map[string]struct {
		r *amau.Report
		o report.MailOptions
	}{
		"closed":    {year, report.MailOptions{Reason: report.Reason{Occasion: report.PeriodClosed, Period: year.Periods[2].Period}, Last: &lastMail, Store: "dynamodb:okta-amau-ledger"}},
		"first":     {short, report.MailOptions{Reason: report.Reason{Occasion: report.PeriodClosed, Period: year.Periods[1].Period}}},
		"threshold": {almostUsed(t), report.MailOptions{Reason: report.Reason{Occasion: report.ThresholdReached, Percent: 90}}},
		"exceeded":  {exceeded(t), report.MailOptions{Reason: report.Reason{Occasion: report.ThresholdReached, Percent: 100}}},
		"forecast":  {year, report.MailOptions{Reason: report.Reason{Occasion: report.ForecastExceeds}}},
		"unstated":  {manyMeters(t), report.MailOptions{Reason: report.Reason{Occasion: report.PeriodClosed, Period: manyMeters(t).Periods[0].Period}}},
	}
	out := map[string]report.Letter{}
	for name, m := range all {
		letter, err := report.Mail(m.r, m.o)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = letter
	}
	return out
}

// almostUsed is a year of ten million users a month in which nine tenths are used.
func almostUsed(t testing.TB) *amau.Report {
	r := newReport(t, "2026-01-01=120000000", amau.ByContract, "UTC", "2026-11-03T06:10:00Z")
	r.Org = "customers.example"
	for i := range 11 {
		setCounts(r, &r.Periods[i], 10_000_000-int64(i)*1000, 9_000_000, 5_000_000, 0)
		r.Periods[i].State = amau.Final
	}
	r.Periods[9].State, r.Periods[10].State = amau.Provisional, amau.Open
	setCounts(r, &r.Periods[10], 8_123_456)
	return r
}

func TestMailGolden(t *testing.T) {
	for name, letter := range letters(t) {
		for form, got := range map[string]string{"txt": "Subject: " + letter.Subject + "\n\n" + letter.Text, "html": letter.HTML} {
			t.Run(name+"/"+form, func(t *testing.T) {
				path := filepath.Join("testdata", "mail-"+name+"."+form+".golden")
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal([]byte(got), want) {
					t.Errorf("it differs from %s; run the test with -update and look at the change:\n%s", path, got)
				}
			})
		}
	}
}

// What a mail program takes out of a mail, or does not show, must not be needed.
func TestMailNeedsNothingElse(t *testing.T) {
	for name, letter := range letters(t) {
		for _, forbidden := range []string{"<script", "<img", "<link", "<svg", "http://", "https://", "src=", "url(", "position:", "display:", "ZgotmplZ"} {
			if strings.Contains(letter.HTML, forbidden) {
				t.Errorf("%s: the HTML contains %s", name, forbidden)
			}
		}
		if n := len(letter.HTML); n > 100<<10 { // Gmail cuts longer ones
			t.Errorf("%s: the HTML has %d bytes", name, n)
		}
		if strings.ContainsFunc(letter.Subject, func(r rune) bool { return r < ' ' || r > '~' }) || utf8.RuneCountInString(letter.Subject) > 100 {
			t.Errorf("%s: the subject is %q", name, letter.Subject)
		}
	}
}

func TestMailTextFitsTheScreen(t *testing.T) {
	for name, letter := range letters(t) {
		for line := range strings.Lines(letter.Text) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > 80 && !strings.HasPrefix(line, "    amau ") || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
}

// Both forms say the same: every number of one is in the other.
func TestMailFormsAgree(t *testing.T) {
	number := regexp.MustCompile(`\d[\d,.]*\d|\d`)
	tag := regexp.MustCompile(`(?s)<head>.*</head>|<[^>]*>`)
	for name, letter := range letters(t) {
		shown := html.UnescapeString(tag.ReplaceAllString(letter.HTML, " "))
		for _, n := range number.FindAllString(letter.Text, -1) {
			if !strings.Contains(shown, n) {
				t.Errorf("%s: the HTML lacks %s", name, n)
			}
		}
		for _, n := range number.FindAllString(shown, -1) {
			if !strings.Contains(letter.Text, n) {
				t.Errorf("%s: the text lacks %s", name, n)
			}
		}
	}
}

func TestMailEscapes(t *testing.T) {
	letter := letters(t)["exceeded"]
	if !strings.Contains(letter.HTML, "&lt;Users&gt;") || strings.Contains(letter.HTML, "<Users>") {
		t.Error("a warning is not escaped")
	}
}
