package amau

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Meter is what is counted: the class of an event (session, sso, api in the default rules) or
// [Total]. An application's own meter is named "app:" and its id, see [AppMeter].
type Meter string

// The meters of the default rules. Total is the union of all classes and the headline aMAU.
const (
	Session Meter = "session"
	SSO     Meter = "sso"
	API     Meter = "api"
	Total   Meter = "total"
)

// Rule says that a successful event of a type counts on a meter.
type Rule struct {
	Type  string
	Meter Meter
	Hook  bool // an Okta event hook can deliver this type

	bit uint64 // of the meter, in a user's set of meters; every rule of a meter has the same
}

// Rules are the event types that count. They are data: see rules.csv for the default ones.
type Rules struct {
	list   []Rule
	byType ruleIndex // of list
	meters []Meter   // in order of first appearance, then Total
}

//go:embed rules.csv
var defaultRules string

// DefaultRules returns the 12 event types of Okta's public definition.
func DefaultRules() *Rules {
	r, err := ParseRules(strings.NewReader(defaultRules))
	if err != nil {
		panic("embedded rules.csv: " + err.Error()) // a broken build, not an input
	}
	return r
}

// maxMeters bounds the classes of a rules table; a [Fold] keeps a user's meters in 64 bits.
const maxMeters = 32

// totalBit is the bit of [Total]; the classes have those above.
const totalBit = 1

var meterName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// ParseRules reads a rules table as CSV with the columns event_type, meter and hook (yes or
// no); lines that begin with # are comments. It fails on an unknown column, a type that is
// named twice, a meter that is not a lower-case word, the reserved meter total, and an empty
// table.
func ParseRules(r io.Reader) (*Rules, error) {
	rows := csv.NewReader(r)
	rows.Comment = '#'
	rows.FieldsPerRecord = 3
	rows.TrimLeadingSpace = true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("read the rules' header: %w", badTable(err))
	}
	if !slices.Equal(head, []string{"event_type", "meter", "hook"}) {
		return nil, fmt.Errorf("the rules' header is %q, not event_type,meter,hook: %w", strings.Join(head, ","), ErrBadInput)
	}
	rules := &Rules{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the rules: %w", badTable(err))
		}
		if err := rules.add(row[0], Meter(row[1]), row[2]); err != nil {
			line, _ := rows.FieldPos(0)
			return nil, fmt.Errorf("rules, line %d: %w", line, err)
		}
	}
	if len(rules.list) == 0 {
		return nil, fmt.Errorf("the rules name no event type: %w", ErrBadInput)
	}
	rules.meters = append(rules.meters, Total)
	rules.byType = newRuleIndex(rules.list)
	return rules, nil
}

// badTable marks an error as one of the table, unless it came from reading it.
func badTable(err error) error {
	if wrong := (*csv.ParseError)(nil); errors.As(err, &wrong) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", err, ErrBadInput)
	}
	return err
}

func (r *Rules) add(eventType string, meter Meter, hook string) error {
	switch {
	case eventType == "":
		return fmt.Errorf("no event type: %w", ErrBadInput)
	case !meterName.MatchString(string(meter)) || meter == Total:
		return fmt.Errorf("meter %q must be a lower-case word other than total: %w", meter, ErrBadInput)
	case hook != "yes" && hook != "no":
		return fmt.Errorf("hook is %q, not yes or no: %w", hook, ErrBadInput)
	}
	if r.has(eventType) {
		return fmt.Errorf("event type %s is named twice: %w", eventType, ErrBadInput)
	}
	class := slices.Index(r.meters, meter)
	if class < 0 {
		if class = len(r.meters); class == maxMeters {
			return fmt.Errorf("more than %d meters: %w", maxMeters, ErrBadInput)
		}
		r.meters = append(r.meters, meter)
	}
	rule := Rule{Type: eventType, Meter: meter, Hook: hook == "yes", bit: totalBit << (class + 1)}
	r.list = append(r.list, rule)
	return nil
}

// has reports whether a rule of the type is in the list so far.
func (r *Rules) has(eventType string) bool {
	return slices.ContainsFunc(r.list, func(rule Rule) bool { return rule.Type == eventType })
}

// All returns the rules in the order of the table.
func (r *Rules) All() []Rule { return slices.Clone(r.list) }

// Lookup returns the rule of an event type. The rule's Type owns its memory, so it may be kept
// where the event's own string may not.
func (r *Rules) Lookup(eventType string) (Rule, bool) {
	if i := r.byType.find(r.list, eventType); i >= 0 {
		return r.list[i], true
	}
	return Rule{}, false
}

// Meters returns the classes in the order of the table, then [Total].
func (r *Rules) Meters() []Meter { return slices.Clone(r.meters) }

// Verdict says what became of an event.
type Verdict uint8

// The verdicts, in the order in which the rules are applied.
const (
	Counts            Verdict = iota // it counts for a user
	OtherType                        // its type is not in the rules
	NotSuccess                       // outcome.result is not exactly SUCCESS
	ClientCredentials                // a machine's token: no user is active
	NoUser                           // it counts by type, but names no usable user
	Excluded                         // left out by configuration
	verdicts
)

// String returns the verdict as a word for logs and reports.
func (v Verdict) String() string {
	names := [verdicts]string{"counts", "other_type", "not_success", "client_credentials", "no_user", "excluded"}
	if v >= verdicts {
		return "unknown"
	}
	return names[v]
}

// Judge applies the rules and exclusions to e. When the verdict is [Counts], rule is the one
// that applied and user is the Okta user id.
func (r *Rules) Judge(e *Event, x *Exclusions) (v Verdict, rule Rule, user string) {
	rule, ok := r.Lookup(e.Type)
	switch {
	case !ok:
		return OtherType, Rule{}, ""
	case !e.Succeeded():
		return NotSuccess, rule, ""
	case e.ForMachine():
		return ClientCredentials, rule, ""
	}
	user = e.User()
	if user == "" {
		return NoUser, rule, ""
	}
	if x.exclude(e, user) {
		return Excluded, rule, user
	}
	return Counts, rule, user
}
