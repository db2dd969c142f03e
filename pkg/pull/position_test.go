package pull

import (
	"reflect"
	"testing"
	"time"
)

func TestPositionSurvivesItsNote(t *testing.T) {
	at := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	const before, after = "https://acme.okta.com/api/v1/logs?after=", "&filter=a+very+long+one&limit=1000"
	for name, links := range map[string][]string{
		"only the head":     {before + "1" + after},
		"cursor inside":     {before + "123" + after, before + "113" + after, before + "13" + after},
		"cursor at the end": {before + "1", before + "22", before},
		"equal":             {before + after, before + after},
		"one in the other":  {"aXa", "aXaXa"},
		"nothing alike":     {"abc", "xyz", ""},
		"empty":             {"", ""},
		"overlapping":       {"aaa", "aa", "aaaa"},
	} {
		p := position{OrgURL: "https://acme.okta.com", Head: links[0]}
		p.ReadTo = at
		for _, l := range links[1:] {
			p.Held = append(p.Held, held{From: l, Last: "uuid", First: at, Due: at, Oldest: at})
		}
		data, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodePosition(data)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: %s gives %+v, want %+v: %v", name, data, got, p, err)
		}
	}
}

func FuzzDecodePosition(f *testing.F) {
	data, err := position{Head: "https://acme.okta.com/?after=1", Held: []held{{From: "https://acme.okta.com/?after=2"}}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"links":"","held":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePosition(data)
		if err != nil {
			return
		}
		again, err := p.encode()
		if err != nil {
			t.Skip("a time that JSON cannot hold")
		}
		q, err := decodePosition(again)
		if err != nil || q.Head != p.Head || len(q.Held) != len(p.Held) {
			t.Fatalf("%s becomes %s", data, again)
		}
		for i := range p.Held {
			a, b := p.Held[i], q.Held[i]
			if a.From != b.From || a.Last != b.Last || !a.First.Equal(b.First) || !a.Due.Equal(b.Due) || !a.Oldest.Equal(b.Oldest) {
				t.Fatalf("%+v becomes %+v", a, b)
			}
		}
		if !q.ReadTo.Equal(p.ReadTo) || !q.From.Equal(p.From) || !q.Since.Equal(p.Since) || len(q.Gaps) != len(p.Gaps) || q.OrgURL != p.OrgURL || q.Filter != p.Filter {
			t.Fatalf("%+v becomes %+v", p, q)
		}
	})
}
