package report_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/okta-amau/okta-amau/pkg/report"
)

// yearLine returns the points of a line of the wide chart of the year.
func yearLine(t *testing.T, html, class string) (points [][2]int) {
	t.Helper()
	_, chart, _ := strings.Cut(html, `aria-labelledby="year-chart-title `)
	chart, _, _ = strings.Cut(chart, "</svg>")
	found := regexp.MustCompile(`<path class="` + class + `" d="([^"]*)"`).FindStringSubmatch(chart)
	if found == nil {
		return nil
	}
	words := strings.Fields(found[1])
	for i := 0; i+2 < len(words); i += 3 {
		var p [2]int
		if _, err := fmt.Sscan(words[i+1], &p[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(words[i+2], &p[1]); err != nil {
			t.Fatal(err)
		}
		points = append(points, p)
	}
	return points
}

// The chart of the year goes up to what is used now, and from there to what is expected.
func TestYearChart(t *testing.T) {
	html := string(written(t, report.FormatHTML, fullYear(t)))
	used, ahead, likely, mark := yearLine(t, html, "now"), yearLine(t, html, "ahead"), yearLine(t, html, "likely"), yearLine(t, html, "mark")
	if len(used) != 6 || len(ahead) != 9 || len(likely) != 9 || len(mark) != 2 { // the start, four months and today; today and the ends of eight months
		t.Fatalf("the lines have %d, %d, %d and %d points", len(used), len(ahead), len(likely), len(mark))
	}
	// From the line of 1,200,000 follows how high any number stands.
	zero := used[0][1]
	height := func(y int) float64 { return float64(zero-y) / float64(zero-mark[0][1]) * 1_200_000 }
	near := func(what string, y int, want float64) {
		t.Helper()
		if got := height(y); got < want-6000 || got > want+6000 { // two pixels
			t.Errorf("%s stands at %.0f, not %.0f", what, got, want)
		}
	}
	near("the first month's end", used[1][1], 80_000)
	near("the number of today", used[5][1], 363_234)
	near("the end", ahead[8][1], 1_240_000)
	near("the upper end", likely[8][1], 1_300_000)
	if used[5] != ahead[0] || ahead[8][0] <= ahead[7][0] {
		t.Errorf("what is expected goes from %v to %v, and %v was used", ahead[0], ahead[8], used[5])
	}
	for _, words := range []string{"Year to date and forecast", "By 20 May 2026 363,234 of 1,200,000 were used. 1,240,000 are expected by 14 Jan 2027, likely 1,180,000 to 1,300,000. The purchased amount is reached about 20 Dec 2026."} {
		if !strings.Contains(html, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
}

func TestYearChartWithout(t *testing.T) {
	html := string(written(t, report.FormatHTML, emptyLedger(t)))
	if strings.Contains(html, "year-chart") {
		t.Error("there is a chart of nothing")
	}
	// No forecast, no purchased amount: only what was used.
	html = string(written(t, report.FormatHTML, manyMeters(t)))
	if yearLine(t, html, "now") == nil || yearLine(t, html, "ahead") != nil || yearLine(t, html, "even") != nil || strings.Contains(html, "Year to date and forecast") {
		t.Error("the chart without a forecast is wrong")
	}
	// A year that is over ends with its number.
	html = string(written(t, report.FormatHTML, completeYear(t)))
	if used := yearLine(t, html, "now"); len(used) != 13 || !strings.Contains(html, "By 31 Dec 2025 1,006,200 of 1,200,000 were used.") {
		t.Errorf("the line of a year that is over has %d points", len(used))
	}
}
