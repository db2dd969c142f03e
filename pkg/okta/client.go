package okta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// ClientConfig says which org a [Client] talks to, as whom and how fast.
type ClientConfig struct {
	// OrgURL is the org's own address, https://acme.okta.com, or its custom domain. Required.
	// Only https is taken, except on loopback, where tests have their stand-in.
	OrgURL string

	// Credentials say who asks. Required.
	Credentials Credentials

	// Scopes are the OAuth scopes to ask for; an API token has none. None: [ScopeReadLogs].
	Scopes []string

	// Share is the part of the org's rate limit that this client may use, above 0 and at most
	// 1. Zero: half. The limit is the org's and not the client's alone, so whatever is left
	// belongs to the org's other programs.
	Share float64

	// Timeout bounds one request with its whole answer. Zero: 45 s, above the 30 s after which
	// Okta itself gives up a query.
	Timeout time.Duration

	// Attempts bounds how often one call is sent when the answer is a time-out or a 5xx. Zero:
	// 5. Being told to slow down (429) does not count, it is waited out.
	Attempts int

	Now   func() time.Time                                 // nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer; returns early with ctx's error
	HTTP  interface {
		Do(*http.Request) (*http.Response, error)
	} // nil: an own http.Client
}

const (
	defaultShare    = 0.5
	defaultTimeout  = 45 * time.Second
	defaultAttempts = 5

	// maxBody bounds an answer after decompression. A page of 1,000 events has about 4 MB.
	maxBody = 32 << 20
)

// Client speaks with the API of one org. It is safe for concurrent use and sends one request
// at a time.
//
// It never sends credentials anywhere but to the org's scheme, host and port, and follows no
// redirect.
type Client struct {
	cfg  ClientConfig
	base *url.URL
	auth authorizer
	slot chan struct{} // holds the one request that may be under way

	mu    sync.Mutex
	rates map[string]*rate // :: bucket -> books
	limit int              // of events in a page of the System Log; see LogPage
}

// NewClient returns a client for an org. It sends nothing yet.
func NewClient(cfg ClientConfig) (*Client, error) {
	base, err := orgURL(cfg.OrgURL)
	if err != nil {
		return nil, err
	}
	if cfg.Share == 0 {
		cfg.Share = defaultShare
	}
	if cfg.Share < 0 || cfg.Share > 1 {
		return nil, fmt.Errorf("the share of the rate limit is %v, not above 0 and at most 1: %w", cfg.Share, amau.ErrBadInput)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = defaultAttempts
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{ScopeReadLogs}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.HTTP == nil {
		cfg.HTTP = newHTTP()
	}
	c := &Client{cfg: cfg, base: base, slot: make(chan struct{}, 1), rates: map[string]*rate{}, limit: maxLogLimit}
	if c.auth, err = newAuthorizer(c); err != nil {
		return nil, err
	}
	return c, nil
}

// newHTTP returns a client that decompresses gzip, uses the proxy of the environment and
// leaves redirects to the caller, who takes them for errors.
func newHTTP() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 0 // the whole request has its own bound
	t.MaxResponseHeaderBytes = 1 << 20
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// orgURL checks the address of an org.
func orgURL(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("org URL %q is not like https://acme.okta.com: %w", s, amau.ErrBadInput)
	}
	host := u.Hostname()
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, fmt.Errorf("org URL must be only scheme and host, like https://acme.okta.com: %w", amau.ErrBadInput)
	case u.Scheme == "http" && !loopback(host):
		return nil, fmt.Errorf("org URL %q must begin with https://, because credentials are sent to it: %w", s, amau.ErrBadInput)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("org URL %q must begin with https://: %w", s, amau.ErrBadInput)
	}
	for _, suffix := range []string{"-admin.okta.com", "-admin.oktapreview.com", "-admin.okta-emea.com"} {
		if strings.HasSuffix(strings.ToLower(host), suffix) {
			return nil, fmt.Errorf("org URL %q is the Admin Console's: leave out -admin: %w", s, amau.ErrBadInput)
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// OrgURL returns the org's address without a path.
func (c *Client) OrgURL() string { return c.base.String() }

// at returns the address of a path of the org.
func (c *Client) at(path string) *url.URL {
	return &url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: path}
}

// own parses a link that came from outside and fails unless it leads to the org itself.
func (c *Client) own(link, path string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, fmt.Errorf("a link is not a URL: %w", ErrForeignLink)
	}
	if u.Scheme != c.base.Scheme || !strings.EqualFold(u.Host, c.base.Host) || u.User != nil || u.Path != path {
		return nil, fmt.Errorf("a link leads to %s://%s%s instead of %s%s: %w", u.Scheme, u.Host, u.Path, c.base, path, ErrForeignLink)
	}
	return u, nil
}

// ErrForeignLink says that a link leads away from the org, so nothing was sent to it.
var ErrForeignLink = errors.New("the link is not of this org")

// call is a request that may be sent several times.
type call struct {
	op     string // what it does, for error texts: "read the System Log"
	scope  string // the OAuth scope that it needs, for error texts
	bucket string // whose rate limit it falls under
	method string
	url    *url.URL
	body   []byte // JSON; may be nil
	once   bool   // it must not be repeated when the first may have taken effect
	query  bool   // it may take Okta too long: then the caller asks for less

	// prepare makes the parts that must be new each time: credentials, and of the request for
	// a token its body. Nil: the client's authorization.
	prepare func(ctx context.Context) (http.Header, []byte, error)
}

type answer struct {
	path   string // that was asked
	status int
	header http.Header
	body   []byte
}

// do sends a call until there is an answer that repeating cannot better. Only 2xx answers are
// returned without an error.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	if k.prepare == nil {
		k.prepare = func(ctx context.Context) (http.Header, []byte, error) {
			header, err := c.auth.authorize(ctx, k.method, k.url)
			if k.body != nil && header != nil {
				header.Set("Content-Type", "application/json")
			}
			return header, k.body, err
		}
	}
	tried := map[renewal]bool{}
	for failures := 0; ; {
		header, body, err := k.prepare(ctx)
		if err != nil {
			return nil, err
		}
		a, err := c.send(ctx, &k, header, body)
		renewed := c.auth.renew(a)
		if err == nil && a.status/100 == 2 {
			return a, nil
		}
		if err == nil {
			err = c.refusal(&k, a)
		}
		var wait time.Duration
		switch {
		case ctx.Err() != nil:
			return nil, err
		case StatusOf(err) == http.StatusTooManyRequests:
			wait = c.rate(k.bucket).penalty(c.cfg.Now(), a.header)
		case renewed != nothingNew && !tried[renewed]:
			tried[renewed] = true
		case k.mayRepeat(err) && failures+1 < c.cfg.Attempts:
			wait = time.Second << min(failures, 5)
			failures++
		default:
			return nil, err
		}
		if pauseErr := c.pause(ctx, wait); pauseErr != nil {
			return nil, fmt.Errorf("%w; could not wait %s to try again: %w", err, wait.Round(time.Second), pauseErr)
		}
	}
}

// refusal returns the error that an answer says.
func (c *Client) refusal(k *call, a *answer) error {
	e := newAPIError(k, a)
	if e.Hint == "" {
		e.Hint = c.auth.hint(e, k.scope)
	}
	return e
}

// mayRepeat reports whether a call that failed may be sent again as it is: after a time-out, a
// broken connection or a 5xx, unless that could do the thing twice or would only be slow again.
func (k *call) mayRepeat(err error) bool {
	if k.once || k.query && tooSlow(err) || errors.Is(err, errTooLarge) || errors.Is(err, ErrNoTime) {
		return false
	}
	status := StatusOf(err)
	return status == 0 || status >= 500
}

// ErrNoTime says that the context would end before Okta lets the next request pass. What was
// done so far stands.
var ErrNoTime = fmt.Errorf("no time is left: %w", context.DeadlineExceeded)

// pause waits. It gives up at once when ctx would end meanwhile, so that the caller can use the
// time that is left.
func (c *Client) pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	if end, ok := ctx.Deadline(); ok && c.cfg.Now().Add(d).After(end) {
		return ErrNoTime
	}
	return c.cfg.Sleep(ctx, d)
}

// send sends a call once, as soon as the rate limit lets it. When there is an error there is no
// answer.
func (c *Client) send(ctx context.Context, k *call, header http.Header, body []byte) (*answer, error) {
	select {
	case c.slot <- struct{}{}:
		defer func() { <-c.slot }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", k.op, ctx.Err())
	}
	rate := c.rate(k.bucket)
	if wait := rate.wait(c.cfg.Now()); wait > 0 {
		if err := c.pause(ctx, wait); err != nil {
			return nil, fmt.Errorf("%s: wait %s for the rate limit: %w", k.op, wait.Round(time.Second), err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, k.method, k.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.op, err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "okta-amau")
	a, err := c.exchange(req)
	rate.sent(c.cfg.Now(), a.header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.op, err)
	}
	return &a, nil
}

// exchange sends a request and reads the answer. Its errors do not name the URL, which is long
// and says nothing new.
func (c *Client) exchange(req *http.Request) (answer, error) {
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{path: req.URL.Path, status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1)); err != nil {
		return a, fmt.Errorf("read the answer: %w", err)
	}
	if len(a.body) > maxBody {
		return a, errTooLarge
	}
	return a, nil
}

// errTooLarge says that an answer was longer than maxBody.
var errTooLarge = fmt.Errorf("the answer has more than %d MiB", maxBody>>20)

// rate returns the books on a bucket of the org's rate limits.
func (c *Client) rate(bucket string) *rate {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rates[bucket]
	if r == nil {
		r = &rate{share: c.cfg.Share}
		c.rates[bucket] = r
	}
	return r
}
