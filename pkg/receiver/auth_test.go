package receiver

import (
	"context"
	"errors"
	"testing"
)

// rotating gives other keys after a refresh.
type rotating struct {
	before, after     Keys
	keysErr, freshErr error
	refreshes         int
}

func (r *rotating) Keys(context.Context) (Keys, error) {
	if r.refreshes > 0 && r.freshErr == nil {
		return r.after, r.keysErr
	}
	return r.before, r.keysErr
}

func (r *rotating) Refresh(context.Context) (Keys, error) {
	r.refreshes++
	return r.after, r.freshErr
}

func TestKeys(t *testing.T) {
	cases := []struct {
		name                    string
		current, previous, sent string
		ok, asPrevious          bool
	}{
		{"current", "c1", "p1", "c1", true, false},
		{"previous", "c1", "p1", "p1", true, true},
		{"neither", "c1", "p1", "x", false, false},
		{"nothing sent", "c1", "p1", "", false, false},
		{"no previous, nothing sent", "c1", "", "", false, false},
		{"no secret, nothing sent", "", "", "", false, false},
		{"no secret", "", "", "x", false, false},
		{"only a previous secret", "", "p1", "p1", false, false},
		{"both the same", "c1", "c1", "c1", true, false},
		{"white space around it in the file", " c1\n", "p1\r\n", "c1", true, false},
		{"white space in it", "Basic abc", "", "Basic abc", true, false},
		{"only white space", " \n", "", "", false, false},
		{"case matters", "c1", "", "C1", false, false},
		{"a prefix", "c1c1", "", "c1", false, false},
		{"two headers", "c1", "", "c1,c1", false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := NewKeys(c.current, c.previous)
			ok, previous := k.match(c.sent)
			if ok != c.ok || previous != c.asPrevious {
				t.Errorf("%v as previous %v, want %v and %v", ok, previous, c.ok, c.asPrevious)
			}
		})
	}
	if NewKeys("", "p").Usable() || !NewKeys("c", "").Usable() {
		t.Error("Usable is wrong")
	}
}

func TestRotation(t *testing.T) {
	send := func(secrets Secrets, secret string) (int, Outcome) {
		r := newReceiver(t, newSinks(t), func(cfg *Config) { cfg.Secrets = secrets })
		req := post(delivery(login()))
		req.Header = header("Authorization", secret)
		res, o := r.Handle(t.Context(), req)
		return res.Status, o
	}
	t.Run("a new secret is known at once", func(t *testing.T) {
		s := &rotating{before: NewKeys("old", ""), after: NewKeys("new", "old")}
		if status, o := send(s, "new"); status != 204 || o.PreviousSecretUsed || s.refreshes != 1 {
			t.Errorf("%d after %d refreshes", status, s.refreshes)
		}
		if status, o := send(s, "old"); status != 204 || !o.PreviousSecretUsed || s.refreshes != 1 {
			t.Errorf("%d after %d refreshes", status, s.refreshes)
		}
	})
	t.Run("a right secret refreshes nothing", func(t *testing.T) {
		s := &rotating{before: NewKeys("old", ""), after: NewKeys("new", "old")}
		if status, _ := send(s, "old"); status != 204 || s.refreshes != 0 {
			t.Errorf("%d after %d refreshes", status, s.refreshes)
		}
	})
	t.Run("secrets that cannot be read are our fault", func(t *testing.T) {
		if status, o := send(&rotating{keysErr: errors.New("down")}, "old"); status != 503 || o.AuthFailure || o.Err == nil {
			t.Errorf("%d %v", status, o.Err)
		}
		if status, o := send(&rotating{before: NewKeys("old", ""), freshErr: errors.New("down")}, "new"); status != 503 || o.Err == nil {
			t.Errorf("%d %v", status, o.Err)
		}
	})
	t.Run("no secret at all refuses everything", func(t *testing.T) {
		if status, o := send(Static{}, ""); status != 401 || !o.AuthFailure {
			t.Errorf("%d", status)
		}
	})
}
