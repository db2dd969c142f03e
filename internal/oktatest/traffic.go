package oktatest

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// Ways says how events travel: to the log, to hooks and to the stream. Chances are from 0 to 1.
type Ways struct {
	Rand *rand.Rand // required

	Persist time.Duration // an event is in the log at most so much after it happened

	HookDelay time.Duration // a delivery leaves at most so much after the event
	HookLoss  float64       // it never leaves
	HookTwice float64       // it leaves a second time, later

	StreamDelay time.Duration
	StreamTwice float64
}

// batchEvery is the time within which events share one delivery (FACTS 1.2: amalgamated).
const batchEvery = 10 * time.Second

// action is something that happens at an instant.
type action struct {
	at    time.Time
	order int // of equal instants, the order in which they were planned
	do    func()
}

type schedule []action

func (s schedule) Len() int { return len(s) }
func (s schedule) Less(i, j int) bool {
	return s[i].at.Before(s[j].at) || s[i].at.Equal(s[j].at) && s[i].order < s[j].order
}
func (s schedule) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Push and Pop are for package heap.
func (s *schedule) Push(x any) { *s = append(*s, x.(action)) }

// Pop takes the last action off.
func (s *schedule) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// Plan has do called by [Org.Run] when its time has come.
func (o *Org) Plan(at time.Time, do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.planned++
	heap.Push(&o.queue, action{at, o.planned, do})
}

// Run moves the clock on to until and lets everything happen on the way that was planned, in
// the order of time.
func (o *Org) Run(until time.Time) {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 || o.queue[0].at.After(until) {
			o.mu.Unlock()
			o.Clock.Set(until)
			return
		}
		next := heap.Pop(&o.queue).(action)
		o.mu.Unlock()
		o.Clock.Set(next.at)
		next.do()
	}
}

// Emit plans the ways of events that happen at their published time: into the log, and to hooks
// and stream with what can befall them there. It reports for each event whether the hook lost it.
func (o *Org) Emit(w Ways, events []Event) (lost []bool) {
	lost = make([]bool, len(events))
	deliveries := map[time.Time][]Event{}
	var times []time.Time // of deliveries, in the order in which they were first needed
	deliver := func(e Event, after time.Time) time.Time {
		at := after.Add(w.delay(w.HookDelay)).Truncate(batchEvery).Add(batchEvery)
		if deliveries[at] == nil {
			times = append(times, at)
		}
		deliveries[at] = append(deliveries[at], e)
		return at
	}
	for i := range events {
		events[i].fill()
		e := events[i]
		o.Plan(e.Published.Add(w.delay(w.Persist)), func() { o.Append(e) })
		if lost[i] = w.Rand.Float64() < w.HookLoss; !lost[i] {
			first := deliver(e, e.Published)
			if w.Rand.Float64() < w.HookTwice {
				deliver(e, first)
			}
		}
		o.Plan(e.Published.Add(w.delay(w.StreamDelay)), func() { o.Stream(e) })
		if w.Rand.Float64() < w.StreamTwice {
			o.Plan(e.Published.Add(w.delay(w.StreamDelay)), func() { o.Stream(e) })
		}
	}
	for _, at := range times {
		o.Plan(at, func() { o.Deliver(deliveries[at]...) })
	}
	return lost
}

func (w *Ways) delay(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(w.Rand.Int64N(int64(most)))
}
