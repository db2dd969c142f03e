package receiver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// maxHeaders bounds the headers of a request; Okta and a proxy before us send some 15.
const maxHeaders = 64

// Handler returns the receiver as an [http.Handler] for one path. It calls done after each
// answer; nil does nothing. A client that goes away does not stop a delivery from being
// recorded. The server around it must limit the time and the size of headers.
func (r *Receiver) Handler(done func(context.Context, Outcome)) http.Handler {
	buffers := &sync.Pool{New: func() any { return new([]byte) }}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx := context.WithoutCancel(req.Context())
		if len(req.Header) > maxHeaders {
			respond(w, tooManyHeaders())
			return
		}
		buffer := buffers.Get().(*[]byte)
		res, outcome := r.Handle(ctx, Request{
			Method: req.Method,
			Header: func(name string) string { return strings.Join(req.Header.Values(name), ",") },
			Body:   func(limit int) ([]byte, error) { return readBody(w, req, limit, buffer) },
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

// readBody reads the whole body into the buffer.
func readBody(w http.ResponseWriter, req *http.Request, limit int, buffer *[]byte) ([]byte, error) {
	if req.ContentLength > int64(limit) {
		return nil, ErrTooLarge
	}
	body := (*buffer)[:0]
	if size := int(req.ContentLength); size >= cap(body) {
		body = make([]byte, 0, size+1) // + 1: so that the last Read can say EOF without growing
	}
	from := http.MaxBytesReader(w, req.Body, int64(limit))
	for {
		if len(body) == cap(body) {
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

func respond(w http.ResponseWriter, res Response) {
	h := w.Header()
	for name, value := range res.Header() {
		h.Set(name, value)
	}
	if res.Close {
		h.Set("Connection", "close")
	}
	if res.Body != "" {
		h.Set("Content-Length", strconv.Itoa(len(res.Body)))
	}
	w.WriteHeader(res.Status)
	_, _ = io.WriteString(w, res.Body) // a caller that is gone has nothing to be told
}
