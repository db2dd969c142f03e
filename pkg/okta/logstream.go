package okta

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// LogStream is a log stream of the org to Amazon EventBridge. Streams of other kinds are listed
// too, with their Type.
type LogStream struct {
	ID          string
	Name        string
	Type        string // aws_eventbridge is ours
	Active      bool
	LastUpdated time.Time
	Account     string // AWS account that gets the events, 12 digits
	Source      string // name of the partner event source's last part
	Region      string
}

// LogStreamEventBridge is the Type of streams to Amazon EventBridge.
const LogStreamEventBridge = "aws_eventbridge"

type wireStream struct {
	ID          string             `json:"id,omitempty"`
	Type        string             `json:"type"`
	Name        string             `json:"name"`
	Status      string             `json:"status,omitempty"`
	LastUpdated string             `json:"lastUpdated,omitempty"`
	Settings    wireStreamSettings `json:"settings"`
}

type wireStreamSettings struct {
	Account string `json:"accountId"`
	Source  string `json:"eventSourceName"`
	Region  string `json:"region"`
}

func (w *wireStream) stream() LogStream {
	s := LogStream{
		ID: w.ID, Name: w.Name, Type: w.Type, Active: w.Status == "ACTIVE",
		Account: w.Settings.Account, Source: w.Settings.Source, Region: w.Settings.Region,
	}
	s.LastUpdated, _ = parseTime(w.LastUpdated)
	return s
}

const streamsPath = "/api/v1/logStreams"

// LogStreams returns all log streams of the org.
func (c *Client) LogStreams(ctx context.Context) ([]LogStream, error) {
	list, err := list[wireStream](ctx, c, call{op: "list the log streams", scope: ScopeReadStreams}, streamsPath)
	streams := make([]LogStream, len(list))
	for i := range list {
		streams[i] = list[i].stream()
	}
	return streams, err
}

// CreateLogStream makes a stream to EventBridge, which is then active: in the AWS account the
// partner event source appears and waits to be associated with a bus. Account, Source and Region
// cannot be changed later.
func (c *Client) CreateLogStream(ctx context.Context, s LogStream) (LogStream, error) {
	body := wireStream{Type: LogStreamEventBridge, Name: s.Name, Settings: wireStreamSettings{s.Account, s.Source, s.Region}}
	return c.streamCall(ctx, call{op: "create the log stream", method: http.MethodPost, once: true}, streamsPath, body)
}

// ActivateLogStream makes a stream go on after it was deactivated, which Okta does when two
// attempts to deliver an event failed. What happened meanwhile is not sent later.
func (c *Client) ActivateLogStream(ctx context.Context, id string) (LogStream, error) {
	return c.streamCall(ctx, call{op: "activate the log stream", method: http.MethodPost}, streamsPath+"/"+url.PathEscape(id)+"/lifecycle/activate", nil)
}

func (c *Client) streamCall(ctx context.Context, k call, path string, body any) (LogStream, error) {
	k.scope = ScopeManageStreams
	var w wireStream
	err := c.manage(ctx, k, path, body, &w)
	return w.stream(), err
}
