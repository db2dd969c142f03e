package notify

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/report"
)

// DefaultThresholds are the shares of the purchased amount, in percent, that are told of when
// they are reached.
func DefaultThresholds() []int { return []int{80, 90, 100} }

// noticeClosed begins the ID of the notice that a period is closed; the period's key follows.
const noticeClosed = "closed/"

// due returns what is to be told about the report's year, told already or not: the periods
// closed from since on, the highest threshold that is reached, and that the purchased amount is
// not expected to last. A changed purchased amount makes the last two new.
func due(r *amau.Report, since time.Time, thresholds []int) []Notice {
	if !r.Periods[len(r.Periods)-1].End.After(since) {
		return nil
	}
	var list []Notice
	for i := range r.Periods {
		if p := &r.Periods[i]; p.State == amau.Final && !p.Start.Before(since) {
			list = append(list, Notice{ID: noticeClosed + p.Key(), Reason: report.Reason{Occasion: report.PeriodClosed, Period: p.Period}})
		}
	}
	if r.Year.Purchased == 0 {
		return list
	}
	year := fmt.Sprintf("%s/%d", r.Year.Start, r.Year.Purchased)
	highest := 0
	for _, t := range thresholds {
		if reached(r.Used, r.Year.Purchased, t) {
			highest = max(highest, t)
		}
	}
	if highest > 0 {
		list = append(list, Notice{ID: fmt.Sprintf("threshold/%s/%d", year, highest), Reason: report.Reason{Occasion: report.ThresholdReached, Percent: highest}})
	}
	if r.Forecast != nil && r.Forecast.Total > r.Year.Purchased && r.Used < r.Year.Purchased {
		list = append(list, Notice{ID: "forecast/" + year, Reason: report.Reason{Occasion: report.ForecastExceeds}})
	}
	return list
}

// reached reports whether used is at least so many percent of purchased.
func reached(used, purchased int64, percent int) bool {
	// In whole numbers, so that exactly the threshold is reached; big, so that it never overflows.
	hundredfold := new(big.Int).Mul(big.NewInt(used), big.NewInt(100))
	return hundredfold.Cmp(new(big.Int).Mul(big.NewInt(purchased), big.NewInt(int64(percent)))) >= 0
}

// ParseThresholds reads percentages that are separated by commas, each from 1 to 1000.
func ParseThresholds(s string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(part, "%")))
		if err != nil || n < 1 || n > 1000 {
			return nil, fmt.Errorf("threshold %q: it must be a whole number of percent from 1 to 1000, like 80: %w", part, amau.ErrBadInput)
		}
		list = append(list, n)
	}
	return list, nil
}
