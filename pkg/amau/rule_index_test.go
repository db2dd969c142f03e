package amau_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// TestLookup: a type is found when it is in the table, and only then, among types that are alike in most
// of their bytes.
func TestLookup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ab]{1,9}|(a\.b\.){2,3}[ab]{0,4}token|[a-c]{7,8}`)
		types := rapid.SliceOfNDistinct(name, 1, 200, rapid.ID[string]).Draw(t, "types")
		table := "event_type,meter,hook\n"
		for i, e := range types {
			table += fmt.Sprintf("%s,m%d,yes\n", e, i%32)
		}
		rules, err := amau.ParseRules(strings.NewReader(table))
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for i, e := range types {
			there[e] = true
			if rule, ok := rules.Lookup(e); !ok || rule.Type != e || rule.Meter != amau.Meter(fmt.Sprintf("m%d", i%32)) {
				t.Fatalf("%s gives %v, %v", e, rule, ok)
			}
		}
		for _, e := range append(rapid.SliceOf(name).Draw(t, "others"), "") {
			if _, ok := rules.Lookup(e); ok != there[e] {
				t.Fatalf("%q: found %v, is there %v", e, ok, there[e])
			}
		}
	})
}
