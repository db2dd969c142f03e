package receiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxHeaders bounds the headers of a request; Okta and a proxy before us send some 15.
const maxHeaders = 64

// Handler returns the receiver as an [http.Handler] for one path. It calls done after each
// answer; nil does nothing. A client that goes away does not stop a delivery from being
// recorded. The server around it must limit the time and the size of headers.
func (r *Receiver) Handler(done func(context.Context, Outcome)) http.Handler {
	buffers := &sync.Pool{New: func() any { return new([]byte) }}
	large := make(chan struct{}, maxLarge)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx := context.WithoutCancel(req.Context())
		if len(req.Header) > maxHeaders {
			respond(w, tooManyHeaders())
			return
		}
		buffer := buffers.Get().(*[]byte)
		in := bodyReader{large: large, wait: r.Budget}
		defer in.done()
		res, outcome := r.Handle(ctx, Request{
			Method: req.Method,
			Header: func(name string) string { return strings.Join(req.Header.Values(name), ",") },
			Body:   func(limit int) ([]byte, error) { return in.read(w, req, limit, buffer) },
		})
		if cap(*buffer) <= maxPooledBody {
			buffers.Put(buffer)
		}
		respond(w, res)
		if done != nil {
			done(ctx, outcome)
		}
	})
}

// maxPooledBody bounds the memory that a buffer may take with it into the pool.
const maxPooledBody = 1 << 18

// maxLarge bounds how many bodies that are larger than that are in memory at once, so that many
// senders at once cannot fill it. Okta's deliveries are smaller; whoever does not get a turn in
// the time that there is for an answer is asked to send again.
const maxLarge = 16

// bodyReader reads one body.
type bodyReader struct {
	large chan struct{} // holds one for each large body in memory
	wait  time.Duration // for a turn
	mine  bool          // one of them is this one's
}

// read reads the whole body into the buffer.
func (b *bodyReader) read(w http.ResponseWriter, req *http.Request, limit int, buffer *[]byte) ([]byte, error) {
	if req.ContentLength > int64(limit) {
		return nil, ErrTooLarge
	}
	body := (*buffer)[:0]
	if size := int(req.ContentLength); size >= cap(body) {
		if err := b.turn(size + 1); err != nil {
			return nil, err
		}
		body = make([]byte, 0, size+1) // + 1: so that the last Read can say EOF without growing
	}
	from := http.MaxBytesReader(w, req.Body, int64(limit))
	for {
		if len(body) == cap(body) {
			if err := b.turn(len(body) + 1); err != nil {
				return nil, err
			}
			body = append(body, 0)[:len(body)]
		}
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		*buffer = body
		var tooLarge *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case errors.As(err, &tooLarge):
			return nil, ErrTooLarge
		case err != nil:
			return nil, err
		}
	}
}

// errTooMany says that there are as many large bodies as may be.
var errTooMany = errors.New("too many large bodies at once")

// turn waits until a body may grow to so many bytes.
func (b *bodyReader) turn(size int) error {
	if b.mine || size <= maxPooledBody {
		return nil
	}
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case b.large <- struct{}{}:
		b.mine = true
		return nil
	case <-timer.C:
		return errTooMany
	}
}

// done lets the next one have its turn.
func (b *bodyReader) done() {
	if b.mine {
		<-b.large
	}
}

func respond(w http.ResponseWriter, res Response) {
	h := w.Header()
	res.eachHeader(h.Set)
	if res.Close {
		h.Set("Connection", "close")
	}
	if res.Body != "" {
		h.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	w.WriteHeader(res.Status)
	_, _ = io.WriteString(w, res.Body) // a caller that is gone has nothing to be told
}
