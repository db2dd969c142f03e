package simulate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// Delivery says where and how to deliver events as Okta's event hook does.
type Delivery struct {
	URL      string           // required: https, or http on this machine
	Secret   string           // required: the value of the Authorization header
	Batch    int              // at most so many events in a delivery; 0: DefaultBatch
	Parallel int              // deliveries at once; 0: 8
	Timeout  time.Duration    // to wait for an answer; 0: 3 s, as Okta does
	Verified func()           // called when the URL returned the challenge; nil: nothing
	Done     func(events int) // called after each delivery; nil: nothing. It is called in parallel
}

// oktaTimeout is what Okta waits for an answer.
const oktaTimeout = 3 * time.Second

// Delivered is what became of the deliveries.
type Delivered struct {
	Deliveries int64
	Retried    int64 // answered by a 5xx or not in time, and sent once more
	Refused    int64 // answered by anything but a 2xx or 5xx: not sent again, and lost
	Failed     int64 // lost after the second attempt
	Took       time.Duration
}

// Lost returns how many deliveries did not arrive.
func (d *Delivered) Lost() int64 { return d.Refused + d.Failed }

// Deliver verifies the URL as Okta does once, then sends all events that are left: in batches,
// with the Authorization header, three seconds for an answer, one more attempt after a 5xx or
// none, never another after a 4xx. An error says that the URL is not a receiver, or that ctx
// ended; deliveries that were lost are no error.
func (g *Generator) Deliver(ctx context.Context, cfg Delivery) (Delivered, error) {
	if cfg.Parallel <= 0 {
		cfg.Parallel = 8
	}
	if err := checkTarget(cfg.URL); err != nil {
		return Delivered{}, err
	}
	client := &http.Client{
		Timeout:       cmp.Or(cfg.Timeout, oktaTimeout),
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: cfg.Parallel, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // nor does Okta follow
	}
	defer client.CloseIdleConnections()
	s := &sender{Delivery: cfg, client: client, free: make(chan []byte, cfg.Parallel+1)}
	if err := s.verify(ctx); err != nil {
		return Delivered{}, err
	}
	if cfg.Verified != nil {
		cfg.Verified()
	}
	start := time.Now()
	bodies := make(chan work)
	var wg sync.WaitGroup
	for range cfg.Parallel {
		wg.Go(func() {
			for w := range bodies {
				s.deliver(ctx, w)
			}
		})
	}
	d := g.deliveries(cfg.Batch)
	for ctx.Err() == nil {
		var buf []byte
		select {
		case buf = <-s.free:
		default:
		}
		body, events := d.next(buf[:0])
		if body == nil {
			break
		}
		bodies <- work{body, events}
	}
	close(bodies)
	wg.Wait()
	out := Delivered{s.deliveries.Load(), s.retried.Load(), s.refused.Load(), s.failed.Load(), time.Since(start)}
	return out, ctx.Err()
}

// checkTarget refuses to send a secret in the clear over a network.
func checkTarget(target string) error {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("the URL to deliver to must begin with https:// or http://: %w", amau.ErrBadInput)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && !ip.IsLoopback() {
		return fmt.Errorf("http is for this machine only; deliver to other hosts by https: %w", amau.ErrBadInput)
	}
	return nil
}

type work struct {
	body   []byte
	events int
}

type sender struct {
	Delivery
	client *http.Client
	free   chan []byte // bodies that are no longer needed

	deliveries, retried, refused, failed atomic.Int64
}

// errNotVerified says what Okta would say.
var errNotVerified = errors.New("the URL did not return the verification challenge")

// verify makes the one GET request of Okta.
func (s *sender) verify(ctx context.Context) error {
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return fmt.Errorf("verify the receiver: %w", err)
	}
	s.dress(req)
	req.Header.Set("X-Okta-Verification-Challenge", challenge)
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("verify the receiver: %w", err)
	}
	defer res.Body.Close()
	var answer struct {
		Verification string `json:"verification"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&answer)
	if res.StatusCode != http.StatusOK || err != nil || answer.Verification != challenge {
		return fmt.Errorf("verify the receiver: %w (status %d)", errNotVerified, res.StatusCode)
	}
	return nil
}

// dress gives the request the headers that Okta sends.
func (s *sender) dress(req *http.Request) {
	req.Header.Set("User-Agent", "Okta-Integrations")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", s.Secret)
}

// deliver sends one delivery, twice if need be.
func (s *sender) deliver(ctx context.Context, w work) {
	s.deliveries.Add(1)
	status := s.post(ctx, w.body)
	if again := status == 0 || status >= 500; again && ctx.Err() == nil {
		s.retried.Add(1)
		status = s.post(ctx, w.body)
	}
	switch {
	case status == 0 || status >= 500:
		s.failed.Add(1)
	case status >= 300:
		s.refused.Add(1)
	default: // only now is it sure that the body was read to its end
		select {
		case s.free <- w.body:
		default:
		}
	}
	if s.Done != nil {
		s.Done(w.events)
	}
}

// post makes one attempt and returns the status, 0 when there was no answer in time.
func (s *sender) post(ctx context.Context, body []byte) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	s.dress(req)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return 0
	}
	return res.StatusCode
}
