package sqlite

import (
	"context"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// bulk is how many claims of one call are too many to be worth remembering: whoever writes so
// many at once is not sending the same ones again and again.
const bulk = 4096

// Claim implements [amau.Ledger]. Callers that come together share a commit.
func (l *Ledger) Claim(ctx context.Context, claims []amau.Claim) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.failed("write claims to", err)
	}
	if l.writer == nil {
		return nil, l.failed("write claims to", errReadOnly)
	}
	if len(claims) >= bulk && !l.knowsAny(claims) {
		return l.claimAll(ctx, claims)
	}
	isNew := make([]bool, len(claims))
	// The writer works on a copy: it may be at it when ctx has ended and the caller is gone.
	j := &job{claims: make([]amau.Claim, 0, len(claims))}
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
	if at == nil {
		return j.isNew, nil
	}
	for k, i := range at {
		isNew[i] = j.isNew[k]
	}
	return isNew, nil
}

// knowsAny reports whether any of the claims is known to be there.
func (l *Ledger) knowsAny(claims []amau.Claim) bool {
	for i := range claims {
		if l.known.Has(&claims[i]) {
			return true
		}
	}
	return false
}

// claimAll writes claims none of which is known. So many are not copied: the caller has to wait for as long
// as the writer is at them, also when ctx has ended.
func (l *Ledger) claimAll(ctx context.Context, claims []amau.Claim) ([]bool, error) {
	j := &job{claims: claims, borrowed: true}
	if err := l.writer.do(ctx, j); err != nil {
		return nil, l.failed("write claims to", err)
	}
	return j.isNew, nil
}
