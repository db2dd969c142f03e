package report

import (
	"encoding/json"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// comparison is the report beside what Okta says.
type comparison struct {
	By      string          `json:"by"`     // month or year: what was stated
	Months  []comparedMonth `json:"months"` // as the document's periods
	Sum     compared        `json:"sum"`
	Outside []outside       `json:"outside"`
	Causes  []cause         `json:"causes"`
	Notes   []string        `json:"notes"`
	Next    *string         `json:"next"`
}

type compared struct {
	AMAU              int64        `json:"amau"`
	Okta              *int64       `json:"okta"`
	Difference        *int64       `json:"difference"`         // okta less amau
	DifferencePercent *json.Number `json:"difference_percent"` // of amau, one decimal
}

type comparedMonth struct {
	ID string `json:"id"`
	compared
	Causes []amau.CauseKind `json:"causes"`
}

type outside struct {
	Month string `json:"month"` // as it was stated
	Okta  int64  `json:"okta"`
}

type cause struct {
	Kind    amau.CauseKind `json:"kind"`
	Periods []string       `json:"periods"`
	Text    string         `json:"text"`
}

func newComparison(c *amau.Comparison) *comparison {
	if c == nil {
		return nil
	}
	out := &comparison{
		By: "year", Sum: newCompared(c.Sum.Ours, &c.Sum.Stated), Months: []comparedMonth{}, Outside: []outside{},
		Causes: []cause{}, Notes: append([]string{}, c.Notes...), Next: orNull(c.Next),
	}
	if c.ByMonth {
		out.By = "month"
	}
	for _, m := range c.Months {
		out.Months = append(out.Months, comparedMonth{m.ID, newCompared(m.Ours, m.Stated), append([]amau.CauseKind{}, c.CausesOf(m.ID)...)})
	}
	for _, m := range c.Outside {
		out.Outside = append(out.Outside, outside{m.Name(), m.Count})
	}
	for _, it := range c.Causes {
		out.Causes = append(out.Causes, cause{it.Kind, it.Periods, it.Words})
	}
	return out
}

func newCompared(ours int64, stated *int64) compared {
	c := compared{AMAU: ours, Okta: stated}
	if stated == nil {
		return c
	}
	both := amau.Compared{Ours: ours, Stated: *stated}
	d := both.Difference()
	c.Difference = &d
	if share := changeNumber(both); share != "" {
		n := json.Number(share)
		c.DifferencePercent = &n
	}
	return c
}
