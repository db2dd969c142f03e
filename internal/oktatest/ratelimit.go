package oktatest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// bucket counts the requests of one minute (FACTS 4, "Headers").
type bucket struct {
	window time.Time // its start
	used   int
}

const defaultLimit = 120 // FACTS 4: Workforce orgs, requests per minute to /api/v1/logs

// admit counts a request, writes the rate limit's headers and reports whether it may pass; if
// not it is answered 429 E0000047 (FACTS 4).
func (o *Org) admit(w http.ResponseWriter, name string) bool {
	o.mu.Lock()
	limit, ok := o.cfg.Limits[name]
	if !ok {
		limit = defaultLimit
	}
	b := o.buckets[name]
	window := o.Clock.Now().Truncate(time.Minute)
	if b == nil || !b.window.Equal(window) {
		b = &bucket{window: window}
		o.buckets[name] = b
	}
	b.used++
	used := b.used
	o.mu.Unlock()
	h := w.Header()
	h.Set("X-Rate-Limit-Limit", strconv.Itoa(limit))
	h.Set("X-Rate-Limit-Remaining", strconv.Itoa(max(0, limit-used)))
	h.Set("X-Rate-Limit-Reset", strconv.FormatInt(window.Add(time.Minute).Unix(), 10))
	if used <= limit {
		return true
	}
	refuse(w, http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.")
	return false
}

// Use counts n requests of other programs in the running minute.
func (o *Org) Use(bucketName string, n int) {
	w := discard{http.Header{}}
	for range n {
		o.admit(w, bucketName)
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// MostPerMinute returns the most requests to a bucket that ever fell into one minute, wherever
// that minute begins.
func (o *Org) MostPerMinute(bucketName string) int {
	var at []time.Time
	for _, r := range o.Requests() {
		if r.Bucket == bucketName {
			at = append(at, r.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
