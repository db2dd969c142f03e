package okta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

const (
	logsPath = "/api/v1/logs"

	// maxLogLimit is the most events that Okta puts on a page; minLogLimit is as far as the
	// client goes down when Okta cannot find that many in time.
	maxLogLimit = 1000
	minLogLimit = 10
)

// ErrLinkRefused says that Okta does not take a link that it gave out earlier: it expired, or
// it was made for another filter or org. Begin anew with [Client.FirstLog].
var ErrLinkRefused = errors.New("the stored link is not taken by Okta any more")

// LogPage is one answer of the System Log to a polling request.
type LogPage struct {
	Data  []byte    // a JSON array of LogEvents, in the order in which Okta stored them
	Next  string    // the link of the page that follows; there is always one
	Empty bool      // no event was there: the end of the log is reached
	Date  time.Time // of the answer, by Okta's clock, to the second; zero if Okta did not say
}

// LogFilter returns the SCIM filter of what is worth reading: the successful events of the
// types that the rules count, and the events that tell how hooks and streams fare.
func LogFilter(rules *amau.Rules) string {
	var types []string
	for _, rule := range rules.All() {
		types = append(types, `eventType eq "`+scimEscape(rule.Type)+`"`)
	}
	return `(outcome.result eq "SUCCESS" and (` + strings.Join(types, " or ") + `)) or ` + healthFilter
}

func scimEscape(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }

// FirstLog returns the link of the first page of the System Log from since on, for a polling
// request: it has no end, and pages come in the order in which Okta stored the events, so that
// following the links misses none.
func (c *Client) FirstLog(since time.Time, filter string) string {
	u := c.at(logsPath)
	u.RawQuery = url.Values{
		"since":     {since.UTC().Format("2006-01-02T15:04:05.000Z")},
		"sortOrder": {"ASCENDING"},
		"filter":    {filter},
		"limit":     {strconv.Itoa(maxLogLimit)},
	}.Encode()
	return u.String()
}

// Log reads the page of the System Log that link leads to, which is either from [Client.FirstLog]
// or the Next of another page. Where Okta takes too long it asks for fewer events, and later for
// more again; so a page may hold fewer than 1,000 without being the last.
//
// It fails with [ErrForeignLink] or [ErrLinkRefused] when the link is of no use any more, and
// with [ErrNoTime] when ctx would end before Okta lets the request pass.
func (c *Client) Log(ctx context.Context, link string) (*LogPage, error) {
	u, err := c.own(link, logsPath)
	if err != nil {
		return nil, err
	}
	for {
		limit := c.logLimit()
		page := *u
		page.RawQuery = withLimit(u.RawQuery, limit)
		a, err := c.do(ctx, call{op: "read the System Log", scope: ScopeReadLogs, bucket: "logs", method: http.MethodGet, url: &page, query: true})
		switch {
		case err == nil:
			c.setLogLimit(min(limit*2, maxLogLimit))
			return c.logPage(a)
		case tooSlow(err) && limit > minLogLimit && ctx.Err() == nil:
			c.setLogLimit(max(limit/4, minLogLimit))
		case refusesLink(err) && strings.Contains("&"+u.RawQuery, "&after="):
			return nil, fmt.Errorf("%w: %w", ErrLinkRefused, err)
		default:
			return nil, err
		}
	}
}

// refusesLink reports whether an answer says that the request itself is wrong.
func refusesLink(err error) bool {
	switch StatusOf(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone:
		return true
	}
	return false
}

func (c *Client) logLimit() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit
}

func (c *Client) setLogLimit(limit int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit
}

// logPage reads an answer and checks that it leads on within the org.
func (c *Client) logPage(a *answer) (*LogPage, error) {
	p := &LogPage{Data: bytes.TrimSpace(a.body), Next: nextLink(a.header)}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		p.Date = date
	}
	if n := len(p.Data); n < 2 || p.Data[0] != '[' || p.Data[n-1] != ']' { // one that is cut off must not pass for an empty one
		return nil, errors.New("read the System Log: the answer is not a JSON array")
	}
	p.Empty = len(bytes.TrimSpace(p.Data[1:len(p.Data)-1])) == 0
	if _, err := c.own(p.Next, logsPath); err != nil {
		return nil, fmt.Errorf("read the System Log: next page: %w", err)
	}
	return p, nil
}

// nextLink returns the address of rel="next" among the Link headers, of which there may be
// several, or one with several links.
func nextLink(h http.Header) string {
	for _, value := range h.Values("Link") {
		for {
			_, rest, found := strings.Cut(value, "<")
			address, rest, closed := strings.Cut(rest, ">")
			if !found || !closed {
				break
			}
			params, _, _ := strings.Cut(rest, "<")
			if strings.Contains(strings.ReplaceAll(params, " ", ""), `rel="next"`) {
				return address
			}
			value = rest
		}
	}
	return ""
}

// withLimit returns a query with another limit. All else stays as it is, byte by byte: the rest
// of a link is Okta's business.
func withLimit(query string, limit int) string {
	params := strings.Split(query, "&")
	for i, p := range params {
		if strings.HasPrefix(p, "limit=") {
			params[i] = "limit=" + strconv.Itoa(limit)
			return strings.Join(params, "&")
		}
	}
	return query + "&limit=" + strconv.Itoa(limit)
}
