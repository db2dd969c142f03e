package oktatest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	retention   = 90 * 24 * time.Hour  // FACTS 4: older events are not returned
	oldestSince = 180 * 24 * time.Hour // FACTS 4: an older since is refused
)

// query is a request for a page of the log.
type query struct {
	url.Values
	since, until time.Time
	after        int // index in the log, or in the sorted selection; -1: not given
	limit        int
	filter       expr
}

// polling reports which of the two kinds of request it is (FACTS 4): without until, ascending.
func (q *query) polling() bool {
	return q.until.IsZero() && !strings.EqualFold(q.Get("sortOrder"), "DESCENDING")
}

// logs answers GET /api/v1/logs.
func (o *Org) logs(w http.ResponseWriter, r *http.Request) {
	q, status, code, err := o.readQuery(r.URL.Query())
	if err != nil {
		refuse(w, status, code, err.Error())
		return
	}
	if o.cfg.SlowAbove > 0 && q.limit > o.cfg.SlowAbove {
		refuse(w, http.StatusInternalServerError, "E0000009", "Internal Server Error") // FACTS 4: 30 s
		return
	}
	o.mu.Lock()
	var page []Event
	var next int
	if q.polling() {
		page, next = o.poll(q)
	} else {
		page, next = o.bounded(q)
	}
	w.Header().Add("Link", fmt.Sprintf(`<%s>; rel="self"`, o.base+r.URL.RequestURI()))
	if next >= 0 {
		v := url.Values{"after": {cursor(next, q.Get("filter"))}, "limit": {strconv.Itoa(q.limit)}}
		for _, name := range []string{"filter", "sortOrder", "until"} {
			if q.Has(name) {
				v.Set(name, q.Get(name))
			}
		}
		w.Header().Add("Link", fmt.Sprintf(`<%s>; rel="next"`, o.url("/api/v1/logs", v)))
	}
	served := o.onServe
	o.mu.Unlock()
	if served != nil {
		served(o.Clock.Now(), q.Get("filter"), page)
	}
	list := make([]*logEvent, len(page))
	for i := range page {
		list[i] = page[i].json(inLog)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// OnServe has f called with the events of each page of the log, before it is sent.
func (o *Org) OnServe(f func(at time.Time, filter string, events []Event)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.onServe = f
}

func (o *Org) readQuery(v url.Values) (q *query, status int, code string, err error) {
	bad := func(code, format string, args ...any) (*query, int, string, error) {
		return nil, http.StatusBadRequest, code, fmt.Errorf(format, args...)
	}
	q = &query{Values: v, limit: 100, after: -1} // FACTS 4: default 100, at most 1000
	if v.Has("limit") {
		if q.limit, err = strconv.Atoi(v.Get("limit")); err != nil || q.limit < 0 || q.limit > 1000 {
			return bad("E0000001", "limit must be 0 to 1000")
		}
	}
	now := o.Clock.Now()
	if v.Has("since") && v.Has("after") {
		return bad("E0000001", "since and after are mutually exclusive") // FACTS 4
	}
	for name, t := range map[string]*time.Time{"since": &q.since, "until": &q.until} {
		if v.Has(name) {
			if *t, err = time.Parse(time.RFC3339Nano, v.Get(name)); err != nil {
				return bad("E0000001", "%s is not a time", name)
			}
		}
	}
	if v.Has("since") && now.Sub(q.since) > oldestSince {
		return bad("E0000001", "The since parameter is over 180 days prior to the current day.") // FACTS 4
	}
	if !v.Has("since") && !v.Has("after") {
		q.since = now.AddDate(0, 0, -7) // FACTS 4
	}
	if q.filter, err = o.filter(v.Get("filter")); err != nil {
		return bad("E0000031", "Invalid search criteria: %v", err)
	}
	if v.Has("after") {
		if q.after, err = readCursor(v.Get("after"), v.Get("filter")); err != nil {
			return bad("E0000001", "after is not valid")
		}
	}
	return q, 0, "", nil
}

func (o *Org) filter(text string) (expr, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := o.filters[text]; ok {
		return e, nil
	}
	e, err := parseFilter(text)
	if err == nil {
		o.filters[text] = e
	}
	return e, err
}

// poll answers a polling request: every event, in the order in which it was stored, and always
// a next link (FACTS 4). The caller holds o.mu.
func (o *Org) poll(q *query) (page []Event, next int) {
	i := max(q.after, 0)
	oldest := o.Clock.Now().Add(-retention)
	fits := func(s *stored) bool {
		return !s.Published.Before(oldest) && !s.Published.Before(q.since) && q.filter(&s.Event)
	}
	for ; i < len(o.log) && len(page) < q.limit; i++ {
		if fits(&o.log[i]) {
			page = append(page, o.log[i].Event)
		}
	}
	if q.after > 0 && len(page) > 0 && o.cfg.Overlap > 0 {
		var again []Event // the last ones of the page before, once more
		for j := q.after - 1; j >= 0 && len(again) < o.cfg.Overlap; j-- {
			if fits(&o.log[j]) {
				again = append(again, o.log[j].Event)
			}
		}
		slices.Reverse(again)
		page = append(again, page...)
	}
	return page, i
}

// bounded answers a bounded request: what is there by now, ordered by published, and no next
// link on the last page (FACTS 4). The caller holds o.mu.
func (o *Org) bounded(q *query) (page []Event, next int) {
	oldest := o.Clock.Now().Add(-retention)
	var all []Event
	for i := range o.log {
		s := &o.log[i]
		if !s.Published.Before(oldest) && !s.Published.Before(q.since) && (q.until.IsZero() || s.Published.Before(q.until)) && q.filter(&s.Event) {
			all = append(all, s.Event)
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.Published.Compare(b.Published) })
	if strings.EqualFold(q.Get("sortOrder"), "DESCENDING") {
		slices.Reverse(all)
	}
	from := min(max(q.after, 0), len(all))
	to := min(from+q.limit, len(all))
	if to == len(all) {
		return all[from:to], -1
	}
	return all[from:to], to
}

// cursor makes the opaque after of a next link. It belongs to a filter.
func cursor(index int, filter string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%d", index, len(filter)))
}

func readCursor(s, filter string) (int, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, err
	}
	index, of, _ := strings.Cut(string(b), ":")
	if of != strconv.Itoa(len(filter)) {
		return 0, fmt.Errorf("another filter's cursor")
	}
	return strconv.Atoi(index)
}
