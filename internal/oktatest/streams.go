package oktatest

import (
	"encoding/json"
	"net/http"
	"regexp"
)

// stream is a log stream as the management API shows it (FACTS 5).
type stream struct {
	ID          string            `json:"id"`
	Type        string            `json:"type"`
	Name        string            `json:"name"`
	Created     string            `json:"created"`
	LastUpdated string            `json:"lastUpdated"`
	Status      string            `json:"status"`
	Settings    map[string]string `json:"settings"`
	Links       map[string]any    `json:"_links"`
}

var (
	account    = regexp.MustCompile(`^\d{12}$`)
	sourceName = regexp.MustCompile(`^[._A-Za-z0-9-]{1,75}$`)
)

const maxStreams = 2 // FACTS 5

func (o *Org) routeStreams() {
	const read, manage = "okta.logStreams.read", "okta.logStreams.manage"
	o.route("GET /api/v1/logStreams", "api", read, func(w http.ResponseWriter, _ *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		list := make([]stream, len(o.streams))
		for i, s := range o.streams {
			list[i] = *s
		}
		reply(w, http.StatusOK, list)
	})
	o.route("POST /api/v1/logStreams", "api", manage, o.createStream)
	o.route("GET /api/v1/logStreams/{id}", "api", read, o.withStream(func(w http.ResponseWriter, _ *http.Request, s *stream) { reply(w, http.StatusOK, s) }))
	o.route("POST /api/v1/logStreams/{id}/lifecycle/{step}", "api", manage, o.withStream(func(w http.ResponseWriter, r *http.Request, s *stream) {
		s.Status = map[string]string{"activate": "ACTIVE", "deactivate": "INACTIVE"}[r.PathValue("step")]
		s.LastUpdated = o.stamp()
		reply(w, http.StatusOK, s)
	}))
}

func (o *Org) withStream(f func(http.ResponseWriter, *http.Request, *stream)) handler {
	return func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, s := range o.streams {
			if s.ID == r.PathValue("id") {
				f(w, r, s)
				return
			}
		}
		refuse(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+r.PathValue("id")+" (LogStream)")
	}
}

func (o *Org) createStream(w http.ResponseWriter, r *http.Request) {
	var s stream
	err := json.NewDecoder(r.Body).Decode(&s)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil || s.Type != "aws_eventbridge" || s.Name == "" || !account.MatchString(s.Settings["accountId"]) ||
		!sourceName.MatchString(s.Settings["eventSourceName"]) || s.Settings["region"] == "" || len(o.streams) >= maxStreams {
		refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: logStream")
		return
	}
	s.ID, s.Status, s.Created, s.LastUpdated = id("0oa"), "ACTIVE", o.stamp(), o.stamp()
	s.Links = map[string]any{"self": map[string]string{"href": o.base + "/api/v1/logStreams/" + s.ID}}
	o.streams = append(o.streams, &s)
	reply(w, http.StatusOK, s)
}

// Stream sends events through the log stream: all of them, one envelope each, without a filter.
// When two attempts at one failed the stream is deactivated, which the log says, and stays so
// (FACTS 5).
func (o *Org) Stream(events ...Event) {
	for i := range events {
		o.mu.Lock()
		var s *stream
		for _, x := range o.streams {
			if x.Status == "ACTIVE" {
				s = x
			}
		}
		target := o.cfg.StreamTarget
		o.mu.Unlock()
		if s == nil || target == nil {
			return
		}
		body := envelope("aws.partner/okta.com/org/"+s.Settings["eventSourceName"], &events[i])
		err := target(body)
		if err != nil {
			err = target(body)
		}
		if err == nil {
			o.acked("stream", events[i:i+1])
			continue
		}
		o.mu.Lock()
		s.Status = "INACTIVE"
		o.mu.Unlock()
		o.Append(Event{Type: "system.log_stream.lifecycle.deactivate", Published: o.Clock.Now(), Target: s.ID})
	}
}
