package okta

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Okta counts the requests of an org per bucket and minute, and says in each answer how many
// it allows (X-Rate-Limit-Limit), how many are left (X-Rate-Limit-Remaining) and when the
// minute is over (X-Rate-Limit-Reset, seconds since 1970 by Okta's clock).

const (
	rateWindow = time.Minute

	// unknownLimit is assumed before Okta named its limit, and where it names none: the lowest
	// that it documents, for free orgs.
	unknownLimit = 20

	// shortestPenalty and longestPenalty bound the wait after a 429 whose reset is rough, as it
	// is when too many requests ran at once.
	shortestPenalty = time.Second
	longestPenalty  = 2 * time.Minute

	// maxLimit bounds what is believed of a limit; the largest that Okta documents are some
	// thousands.
	maxLimit = 100_000
)

// rate keeps the books on one bucket, so that in no minute more than a share of the org's limit
// is used. It is safe for concurrent use.
//
// Every request takes a place in the minute that begins when its answer came, which is after
// Okta counted it. So there are never more requests in any minute, by any clock, than places.
type rate struct {
	share float64

	mu      sync.Mutex
	limit   int         // the org's; 0: not named yet
	busy    []time.Time // when each taken place is free again
	blocked time.Time   // nothing is sent before
}

// places is how many requests may fall into one minute.
func (r *rate) places() int {
	limit := r.limit
	if limit == 0 {
		limit = unknownLimit
	}
	return max(1, int(math.Floor(float64(limit)*r.share)))
}

// wait returns how long the next request must wait.
func (r *rate) wait(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = slices.DeleteFunc(r.busy, func(free time.Time) bool { return !free.After(now) })
	until := r.blocked
	if over := len(r.busy) - r.places(); over >= 0 {
		slices.SortFunc(r.busy, time.Time.Compare)
		if r.busy[over].After(until) {
			until = r.busy[over]
		}
	}
	return max(0, until.Sub(now))
}

// sent books a request whose answer, with header, came at now; a nil header says that none came.
func (r *rate) sent(now time.Time, header http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = append(r.busy, now.Add(rateWindow))
	limit, remaining, reset, ok := rateHeaders(now, header)
	if !ok {
		return
	}
	if r.limit == 0 {
		// What was used before this process began may have been ours, too: a run that was
		// killed and started again must not get a second share of the same minute.
		for range limit - remaining - len(r.busy) {
			r.busy = append(r.busy, reset)
		}
	}
	r.limit = limit
	if remaining <= 0 {
		r.blocked = reset
	}
}

// penalty returns how long to wait after a 429.
func (r *rate) penalty(now time.Time, header http.Header) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := shortestPenalty
	if _, _, reset, ok := rateHeaders(now, header); ok {
		wait = max(wait, reset.Sub(now))
	} else if reset, ok := resetHeader(now, header); ok {
		wait = max(wait, reset.Sub(now))
	}
	return min(wait, longestPenalty)
}

// rateHeaders reads the three headers. They do not count when Okta refused for another reason
// than the minute's sum, which it says with a limit of 0.
func rateHeaders(now time.Time, h http.Header) (limit, remaining int, reset time.Time, ok bool) {
	limit, err := strconv.Atoi(h.Get("X-Rate-Limit-Limit"))
	if err != nil || limit <= 0 {
		return 0, 0, time.Time{}, false
	}
	remaining, err = strconv.Atoi(h.Get("X-Rate-Limit-Remaining"))
	if err != nil {
		return 0, 0, time.Time{}, false
	}
	reset, ok = resetHeader(now, h)
	limit = min(limit, maxLimit)
	return limit, min(max(remaining, 0), limit), reset, ok
}

// resetHeader returns when the minute is over by our clock. Okta's clock is read from the Date
// header, a whole second that may just end. A header that is far off must not stop the client
// for good, so a minute is over after longestPenalty, whatever it says.
func resetHeader(now time.Time, h http.Header) (time.Time, bool) {
	seconds, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	reset := time.Unix(seconds, 0)
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		reset = now.Add(reset.Sub(date))
	}
	return now.Add(min(reset.Sub(now), longestPenalty) + time.Second), true
}
