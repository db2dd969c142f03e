package oktatest

import (
	"fmt"
	"strings"
)

// expr is a parsed SCIM filter. It reports whether an event passes.
type expr func(e *Event) bool

// parseFilter reads the part of SCIM's filter language that the System Log takes (FACTS 4):
// attribute comparisons joined by and, or, not and parentheses. An empty filter passes all.
func parseFilter(s string) (expr, error) {
	if strings.TrimSpace(s) == "" {
		return func(*Event) bool { return true }, nil
	}
	p := &filterParser{tokens: scan(s)}
	e, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	return e, err
}

// scan cuts a filter into parentheses, quoted strings (with their quotes) and words.
func scan(s string) []string {
	var tokens []string
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ':
			i++
		case c == '(' || c == ')':
			tokens = append(tokens, s[i:i+1])
			i++
		case c == '"':
			j := i + 1
			for j < len(s) && s[j] != '"' {
				if s[j] == '\\' {
					j++
				}
				j++
			}
			j = min(j+1, len(s))
			tokens = append(tokens, s[i:j])
			i = j
		default:
			j := i
			for j < len(s) && !strings.ContainsRune(` ()"`, rune(s[j])) {
				j++
			}
			tokens = append(tokens, s[i:j])
			i = j
		}
	}
	return tokens
}

type filterParser struct{ tokens []string }

func (p *filterParser) take(word string) bool {
	if len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], word) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *filterParser) next() (string, error) {
	if len(p.tokens) == 0 {
		return "", fmt.Errorf("unexpected end")
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t, nil
}

func (p *filterParser) or() (expr, error) {
	left, err := p.and()
	for err == nil && p.take("or") {
		var right expr
		l := left
		right, err = p.and()
		left = func(e *Event) bool { return l(e) || right(e) }
	}
	return left, err
}

func (p *filterParser) and() (expr, error) {
	left, err := p.term()
	for err == nil && p.take("and") {
		var right expr
		l := left
		right, err = p.term()
		left = func(e *Event) bool { return l(e) && right(e) }
	}
	return left, err
}

func (p *filterParser) term() (expr, error) {
	if p.take("not") {
		inner, err := p.term()
		return func(e *Event) bool { return !inner(e) }, err
	}
	if p.take("(") {
		inner, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("missing )")
		}
		return inner, err
	}
	return p.comparison()
}

func (p *filterParser) comparison() (expr, error) {
	attribute, err := p.next()
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(attribute, "published") {
		return nil, fmt.Errorf("published cannot be used in a filter") // FACTS 4
	}
	op, err := p.next()
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(op, "pr") {
		return func(e *Event) bool { _, ok := e.attribute(attribute); return ok }, nil
	}
	quoted, err := p.next()
	if err != nil {
		return nil, err
	}
	if len(quoted) < 2 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return nil, fmt.Errorf("%q is no string", quoted)
	}
	want := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
	var holds func(string) bool
	switch strings.ToLower(op) {
	case "eq":
		holds = func(v string) bool { return v == want }
	case "sw":
		holds = func(v string) bool { return strings.HasPrefix(v, want) }
	case "co":
		holds = func(v string) bool { return strings.Contains(v, want) }
	case "ew":
		holds = func(v string) bool { return strings.HasSuffix(v, want) }
	case "ne":
		return func(e *Event) bool { v, ok := e.attribute(attribute); return !ok || v != want }, nil
	default:
		return nil, fmt.Errorf("operator %q", op)
	}
	return func(e *Event) bool { v, ok := e.attribute(attribute); return ok && holds(v) }, nil
}
