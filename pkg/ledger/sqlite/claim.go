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
	unknown := l.known.Unknown(claims)
	if len(unknown) == 0 {
		return make([]bool, len(claims)), nil
	}
	if len(claims) >= bulk && len(unknown) == len(claims) {
		return l.claimAll(ctx, claims)
	}
	// The writer works on a copy: it may be at it when ctx has ended and the caller is gone.
	j := &job{claims: make([]amau.Claim, len(unknown))}
	for k, i := range unknown {
		j.claims[k] = claims[i]
	}
	if err := l.writer.do(ctx, j); err != nil {
		return nil, l.failed("write claims to", err)
	}
	if len(j.claims) < bulk {
		l.known.Add(j.claims)
	}
	if len(unknown) == len(claims) {
		return j.isNew, nil
	}
	isNew := make([]bool, len(claims))
	for k, i := range unknown {
		isNew[i] = j.isNew[k]
	}
	return isNew, nil
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
