package main

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// limitListener lets only so many connections live at once. A further one takes the place of
// the one that has brought no request for the longest time, so that a stranger who opens many
// and says nothing keeps nobody out; where all are at work, it waits.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	quiet  chan struct{} // has room for one: a connection has nothing to do

	mu     sync.Mutex
	silent *list.List // of *limitedConn that have not brought a whole request head yet, the oldest first
	idle   *list.List // of *limitedConn between two requests, likewise
}

func newLimitListener(l net.Listener, connections int) *limitListener {
	return &limitListener{
		Listener: l, slots: make(chan struct{}, connections), closed: make(chan struct{}), quiet: make(chan struct{}, 1),
		silent: list.New(), idle: list.New(),
	}
}

// Accept waits for a connection, then for its place.
func (l *limitListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for !l.evict() {
		select {
		case l.slots <- struct{}{}:
			return l.take(conn), nil
		case <-l.quiet:
		case <-l.closed:
			conn.Close()
			return nil, net.ErrClosed
		}
	}
	select {
	case l.slots <- struct{}{}: // the evicted one's
		return l.take(conn), nil
	case <-l.closed:
		conn.Close()
		return nil, net.ErrClosed
	}
}

// take gives a connection its place.
func (l *limitListener) take(conn net.Conn) net.Conn {
	c := &limitedConn{Conn: conn, from: l}
	c.move(l.silent)
	return c
}

// evict closes the connection that can best be spared, if all places are taken, and reports
// whether it did.
func (l *limitListener) evict() bool {
	if len(l.slots) < cap(l.slots) {
		return false
	}
	l.mu.Lock()
	first := l.silent.Front()
	if first == nil {
		first = l.idle.Front()
	}
	l.mu.Unlock()
	if first == nil {
		return false
	}
	first.Value.(*limitedConn).Close()
	return true
}

// Close stops Accept.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	from *limitListener

	// Guarded by from.mu:
	list   *list.List    // that it is in; nil: it is at work, or closed
	place  *list.Element // there
	closed bool
}

// Close closes the connection and frees its place.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// leave frees the place, once.
func (c *limitedConn) leave() {
	c.move(nil)
	l := c.from
	l.mu.Lock()
	first := !c.closed
	c.closed = true
	l.mu.Unlock()
	if first {
		<-l.slots
	}
}

// move puts the connection into a list, or out of all with nil.
func (c *limitedConn) move(to *list.List) {
	c.from.mu.Lock()
	defer c.from.mu.Unlock()
	if c.closed {
		return
	}
	if c.list != nil {
		c.list.Remove(c.place)
	}
	if c.list = to; to != nil {
		c.place = to.PushBack(c)
	}
}

// noteState is what a server calls when a connection begins or ends a request.
func noteState(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*limitedConn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.move(nil)
	case http.StateIdle:
		c.move(c.from.idle)
		select {
		case c.from.quiet <- struct{}{}:
		default: // Accept is going to look anyway
		}
	}
}
