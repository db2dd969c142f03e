package sqlite

import (
	"context"
	"sync"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// bulk is how many claims of one call are too many to be worth remembering: whoever writes so
// many at once is not sending the same ones again and again.
const bulk = 10_000

// Claim implements [amau.Ledger]. Callers that come together share a commit.
func (l *Ledger) Claim(ctx context.Context, claims []amau.Claim) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.failed("write claims to", err)
	}
	if l.writer == nil {
		return nil, l.failed("write claims to", errReadOnly)
	}
	isNew := make([]bool, len(claims))
	// The writer works on a copy: it may be at it when ctx has ended and the caller is gone.
	j := &job{claims: l.copies.take(len(claims))}
	var at []int // where the copies stand in claims; nil: in the same places
	for i := range claims {
		if l.known.Has(&claims[i]) {
			if at == nil {
				at = make([]int, i, len(claims))
				for k := range at {
					at[k] = k
				}
			}
			continue
		}
		j.claims = append(j.claims, claims[i])
		if at != nil {
			at = append(at, i)
		}
	}
	if len(j.claims) == 0 {
		return isNew, nil
	}
	if err := l.writer.do(ctx, j); err != nil {
		return nil, l.failed("write claims to", err)
	}
	if len(j.claims) < bulk {
		for i := range j.claims {
			l.known.Add(&j.claims[i])
		}
	}
	l.copies.give(j.claims)
	if at == nil {
		return j.isNew, nil
	}
	for k, i := range at {
		isNew[i] = j.isNew[k]
	}
	return isNew, nil
}

// copies keeps the memory of large copies of claims for the next ones.
type copies struct{ sync.Pool } // :: *[]amau.Claim

func (c *copies) take(n int) []amau.Claim {
	if n >= bulk {
		if memory, _ := c.Get().(*[]amau.Claim); memory != nil && cap(*memory) >= n {
			return *memory
		}
	}
	return make([]amau.Claim, 0, n)
}

// give takes back what nobody uses any more.
func (c *copies) give(claims []amau.Claim) {
	if cap(claims) >= bulk {
		claims = claims[:0]
		c.Put(&claims)
	}
}
