package okta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

// plain is what encoding/json makes of a document: its kind, the verdict on each event and how
// many were rejected.
type plain struct {
	kind     okta.Kind
	verdicts []string
	rejects  int
}

// plainDocument is the oracle for whole documents; ok says that data is one of ours.
func plainDocument(data []byte) (p plain, ok bool) {
	if !json.Valid(data) {
		return p, false
	}
	var elements []json.RawMessage
	if bytes.TrimSpace(data)[0] != '[' {
		ok = p.object(data)
		return p, ok
	}
	if json.Unmarshal(data, &elements) != nil {
		return p, false
	}
	for _, e := range elements {
		if e[0] != '{' || !p.object(e) {
			p.rejects++
		}
	}
	p.kind = okta.KindPage
	return p, true
}

// object adds what an object of some kind holds, and reports whether it is of one.
func (p *plain) object(data []byte) bool {
	var m map[string]json.RawMessage
	if json.Unmarshal(data, &m) != nil || m == nil {
		return false
	}
	var kind string
	raw := m["eventType"]
	isText := json.Unmarshal(raw, &kind) == nil && raw[0] == '"' && utf8.Valid(raw)
	if isText && kind == "com.okta.event_hook" && len(m["data"]) > 0 && m["data"][0] == '{' {
		var data map[string]json.RawMessage
		if json.Unmarshal(m["data"], &data) != nil {
			return false
		}
		if events := data["events"]; len(events) > 0 && (events[0] == '[' || events[0] == 'n') {
			var list []json.RawMessage
			if json.Unmarshal(events, &list) != nil {
				return false
			}
			for _, e := range list {
				p.event(e)
			}
			p.kind = okta.KindDelivery
			return true
		}
	}
	if detail := m["detail"]; len(m["detail-type"]) > 0 && m["detail-type"][0] != 'n' && len(detail) > 0 && detail[0] == '{' {
		p.event(detail)
		p.kind = okta.KindEnvelope
		return true
	}
	if !isText || kind == "com.okta.event_hook" {
		return false
	}
	p.event(data)
	p.kind = okta.KindEvent
	return true
}

func (p *plain) event(data []byte) {
	switch v := plainVerdict(data); v {
	case "reject", "not okta":
		p.rejects++
	default:
		p.verdicts = append(p.verdicts, v)
	}
}

// FuzzDocument holds the decoder of whole documents against encoding/json: the same kind, the
// same verdicts in the same order, as many rejects.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"data":{"events":[` + good + `,7,null,{}]},"eventType":"com.okta.event_hook","data":{"events":[` + good + `]}}`))
	f.Add([]byte(`{"\\":0,"\\u0065ventType":"x"}`))
	f.Add([]byte(`{"detail-type":"SystemLog","detail":` + good + `,"eventType":"com.okta.event_hook","data":{"events":null}}`))
	f.Add([]byte(`[` + good + `,{"eventType":"com.okta.event_hook","data":{"events":[` + good + `]}},{"detail-type":1,"detail":{}},[],{"eventType":null}]`))
	f.Add([]byte(`{"eventType":"com.okta.event_hook","data":{"events":[` + good + `],"events":{}},"detail-type":"x","detail":` + good + `}`))
	f.Add([]byte(` [ {"\u0064ata":{"\u0065vents":[` + good + `]},"eventType":"com.okta.event\u005fhook"} ] `))
	f.Fuzz(func(t *testing.T, data []byte) {
		if depth(data) > 900 {
			return // encoding/json goes deeper than our limit
		}
		want, ok := plainDocument(data)
		var doc okta.Document
		err := okta.NewDecoder(nil, false).Decode(data, &doc)
		if (err == nil) != ok {
			t.Fatalf("%q: error %v, the oracle says %v", data, err, ok)
		}
		if !ok {
			return
		}
		var got []string
		for i := range doc.Events {
			v, _, user := amau.DefaultRules().Judge(&doc.Events[i], &amau.Exclusions{})
			got = append(got, strings.TrimSpace(v.String()+" "+user))
		}
		if doc.Kind != want.kind || !slices.Equal(got, want.verdicts) || len(doc.Rejects) != want.rejects {
			t.Fatalf("%q: kind %d, %q and %d rejects, the oracle says %+v", data, doc.Kind, got, len(doc.Rejects), want)
		}
	})
}

// FuzzBlocks holds that how a file is cut into blocks depends on its content alone and not on
// how it arrives, and that in a file of lines each line is decoded as if it stood alone.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte(event(1)+"\n"+event(2)+"\r\n\n"+event(3)), uint16(7))
	f.Add([]byte("[\n"+event(1)+",\n"+event(2)[:40]+"\n"+event(3)+",\n"+pretty(4)+"\n]\n"), uint16(1))
	f.Add([]byte("\xef\xbb\xbf{\n"+pretty(1)[3:]+"\n"+pretty(2)), uint16(300))
	f.Add([]byte("[]\n[1]{\"a\":[}\n"+event(5)), uint16(2))
	f.Fuzz(func(t *testing.T, data []byte, step uint16) {
		uuids, rejects, size := readAll(t, bytes.NewReader(data))
		again, rejectsAgain, sizeAgain := readAll(t, &steps{data, int(step)%97 + 1})
		if !slices.Equal(uuids, again) || !slices.Equal(rejects, rejectsAgain) || size != sizeAgain {
			t.Fatalf("%q:\nat once %q, %q, %d bytes\nin steps %q, %q, %d bytes", data, uuids, rejects, size, again, rejectsAgain, sizeAgain)
		}
		if size > len(data) {
			t.Fatalf("the blocks of %d bytes stand for %d", len(data), size)
		}
		if want, ok := lineByLine(data); ok && !slices.Equal(uuids, want) {
			t.Fatalf("%q: events %q, line by line %q", data, uuids, want)
		}
		// After an error of the reader there is nothing that the part before it has not.
		part := data[:len(data)/2]
		before, _, _ := readAll(t, io.MultiReader(bytes.NewReader(part), iotest.ErrReader(io.ErrClosedPipe)))
		whole, _, _ := readAll(t, bytes.NewReader(part))
		if !slices.Equal(before, whole[:min(len(before), len(whole))]) {
			t.Fatalf("%q: events %q before an error, %q without one", part, before, whole)
		}
	})
}

// steps gives out data in steps of so many bytes.
type steps struct {
	data []byte
	size int
}

func (s *steps) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.size)], s.data)
	s.data = s.data[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// lineByLine decodes each line on its own, if every line that is not empty is an object.
func lineByLine(data []byte) (uuids []string, ok bool) {
	d := okta.NewDecoder(nil, false)
	for line := range bytes.Lines(data) {
		line = bytes.TrimRight(bytes.Trim(line, " \t\r\n"), " ")
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' || !json.Valid(line) {
			return nil, false
		}
		var doc okta.Document
		if d.Decode(line, &doc) != nil {
			continue
		}
		for i := range doc.Events {
			uuids = append(uuids, strings.Clone(doc.Events[i].UUID))
		}
	}
	return uuids, true
}

// FuzzOneEventHarmsNoOther puts any bytes that are JSON between two good events of a delivery.
func FuzzOneEventHarmsNoOther(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"eventType":{},"published":"x"}`))
	f.Add([]byte(`[[{"a":"\ud800"}]]`))
	f.Fuzz(func(t *testing.T, middle []byte) {
		if !json.Valid(middle) || depth(middle) > 900 {
			return
		}
		body := fmt.Appendf(nil, `{"eventType":"com.okta.event_hook","data":{"events":[%s,%s,%s]}}`, event(1), middle, event(2))
		var doc okta.Document
		if err := okta.NewDecoder(nil, true).DecodeDelivery(body, &doc); err != nil {
			t.Fatalf("%q: %v", middle, err)
		}
		if n := len(doc.Events) + len(doc.Rejects); n != 3 || len(doc.Events) < 2 || doc.Events[0].UUID != "e1" || doc.Events[len(doc.Events)-1].UUID != "e2" {
			t.Fatalf("%q: %d events and %d rejects", middle, len(doc.Events), len(doc.Rejects))
		}
	})
}
