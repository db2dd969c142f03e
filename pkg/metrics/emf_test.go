package metrics_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/pkg/metrics"
)

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	w := metrics.NewWriter(&out, "OktaAmau", "okta-amau", "hook", func() time.Time { return time.UnixMilli(1768471200123) })
	err := w.Write([]metrics.Metric{{Name: "AmauMeter", Unit: metrics.Count, Value: 7}, {Name: "LagSeconds", Unit: metrics.Seconds, Value: 1.5}},
		map[string]string{"Meter": "sso"}, map[string]any{"status": 204})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"AmauMeter":7,"Function":"hook","LagSeconds":1.5,"Meter":"sso","Stack":"okta-amau","_aws":{"CloudWatchMetrics":[` +
		`{"Namespace":"OktaAmau","Dimensions":[["Stack","Function","Meter"]],"Metrics":[{"Name":"AmauMeter","Unit":"Count"},{"Name":"LagSeconds","Unit":"Seconds"}]}` +
		`],"Timestamp":1768471200123},"status":204}` + "\n"
	if out.String() != want {
		t.Errorf("got  %swant %s", out.String(), want)
	}
	if !json.Valid(out.Bytes()) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Error("it is not one line of JSON")
	}
	out.Reset()
	if err := w.Write(nil, nil, map[string]any{"status": 204}); err != nil || out.Len() > 0 {
		t.Errorf("%q %v without metrics", out.String(), err)
	}
}
