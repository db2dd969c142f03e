// Package metrics writes CloudWatch metrics in the Embedded Metric Format: one line of JSON in
// a function's log carries the numbers of an invocation, and CloudWatch makes metrics of them.
// It costs no request and no waiting.
package metrics

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// Unit is a CloudWatch unit.
type Unit string

// The units in use.
const (
	Count        Unit = "Count"
	Seconds      Unit = "Seconds"
	Milliseconds Unit = "Milliseconds"
	Percent      Unit = "Percent"
)

// Writer writes lines of metrics, each with the dimensions Stack and Function. It is safe for
// concurrent use.
type Writer struct {
	mu         sync.Mutex
	w          io.Writer
	namespace  string
	dimensions map[string]string
	now        func() time.Time
}

// NewWriter returns a writer of metrics in a namespace. A nil now is [time.Now].
func NewWriter(w io.Writer, namespace, stack, function string, now func() time.Time) *Writer {
	if now == nil {
		now = time.Now
	}
	return &Writer{w: w, namespace: namespace, dimensions: map[string]string{"Stack": stack, "Function": function}, now: now}
}

// Metric is one number. Its name must not be that of a property or dimension of the same line.
type Metric struct {
	Name  string
	Unit  Unit
	Value float64
}

// definition is the part of a line that tells CloudWatch which members are metrics.
type definition struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metricDefinition
}

type metricDefinition struct {
	Name string
	Unit Unit
}

// Write writes the metrics on one line, with more dimensions if given, and with properties,
// which are no metrics but can be searched for in the log. It writes nothing without metrics.
func (w *Writer) Write(metrics []Metric, dimensions map[string]string, properties map[string]any) error {
	if len(metrics) == 0 {
		return nil
	}
	line := make(map[string]any, len(metrics)+len(properties)+4)
	for name, value := range properties {
		line[name] = value
	}
	names := []string{"Stack", "Function"}
	for name, value := range w.dimensions {
		line[name] = value
	}
	for name, value := range dimensions {
		line[name] = value
		names = append(names, name)
	}
	d := definition{Namespace: w.namespace, Dimensions: [][]string{names}}
	for _, m := range metrics {
		line[m.Name] = m.Value
		d.Metrics = append(d.Metrics, metricDefinition{m.Name, m.Unit})
	}
	line["_aws"] = map[string]any{"Timestamp": w.now().UnixMilli(), "CloudWatchMetrics": []definition{d}}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err = w.w.Write(append(text, '\n'))
	return err
}
