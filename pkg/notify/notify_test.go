package notify_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta-amau/okta-amau/internal/mailtest"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
	"github.com/okta-amau/okta-amau/pkg/mail"
	"github.com/okta-amau/okta-amau/pkg/notify"
	"github.com/okta-amau/okta-amau/pkg/report"
)

var everybody = []string{"ann@example.org", "Bob <bob@example.org>"}

// senderFunc is a sender that is a function.
type senderFunc func(context.Context, *mail.Message) error

func (f senderFunc) Send(ctx context.Context, m *mail.Message) error { return f(ctx, m) }

// world is a ledger and what recipients got. Its clock stands still.
type world struct {
	store amau.Store
	now   time.Time

	mu   sync.Mutex
	got  map[string][]string // :: recipient -> IDs of mails
	mime [][]byte
}

func newWorld(t testing.TB) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "amau.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &world{store: store, now: time.Date(2026, 2, 18, 6, 10, 0, 0, time.UTC), got: map[string][]string{}}
}

// Send takes a mail.
func (w *world) Send(_ context.Context, m *mail.Message) error {
	raw, err := m.MIME()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got[m.To] = append(w.got[m.To], m.ID)
	w.mime = append(w.mime, raw)
	return nil
}

func (w *world) config(sender mail.Sender) notify.Config {
	return notify.Config{
		Org: "default", From: "reports@example.com", To: everybody, Sender: sender, Store: "sqlite:amau.db",
		Now: func() time.Time { return w.now },
	}
}

func (w *world) report(t testing.TB) *amau.Report {
	t.Helper()
	terms, err := amau.ParseTerms("2026-01-15=1200000")
	if err != nil {
		t.Fatal(err)
	}
	contract, err := amau.NewContract(terms, amau.ByContract, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := amau.BuildReport(t.Context(), w.store, amau.ReportConfig{Org: "default", Contract: contract, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func notices(r *amau.Report) []notify.Notice {
	return []notify.Notice{
		{ID: "closed/2026-01-15T00:00:00Z", Reason: report.Reason{Occasion: report.PeriodClosed, Period: r.Periods[0].Period}},
		{ID: "threshold/2026-01-15/80", Reason: report.Reason{Occasion: report.ThresholdReached, Percent: 80}},
	}
}

// check fails unless everybody got each of n notices, with at most so many repeats in all.
func (w *world) check(t *testing.T, n, repeats int) {
	t.Helper()
	total := 0
	for _, address := range everybody {
		ids := slices.Clone(w.got[address])
		total += len(ids)
		slices.Sort(ids)
		if len(slices.Compact(ids)) != n {
			t.Errorf("%s got %v", address, w.got[address])
		}
	}
	if total > n*len(everybody)+repeats {
		t.Errorf("%d mails were sent: %v", total, w.got)
	}
}

func TestEachMailGoesOutOnce(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	for range 3 {
		result, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r))
		if err != nil || len(result.Failures) > 0 {
			t.Fatalf("%+v: %v", result, err)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	w.check(t, 2, 0)
	for _, raw := range w.mime {
		m := mailtest.Parse(t, raw)
		for _, name := range []string{"amau-default-2026-01-15.csv", "amau-default-2026-01-15.json"} {
			if len(m.Attachments[name].Data) == 0 {
				t.Errorf("%q has no %s", m.Subject, name)
			}
		}
		if !strings.Contains(m.Text, "1,200,000") || !strings.Contains(m.HTML, "1,200,000") {
			t.Errorf("the mail does not say what was purchased:\n%s", m.Text)
		}
	}
}

func TestTheNextMailSaysWhatHasChanged(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	all := notices(r)
	if _, err := notify.Send(t.Context(), w.store, w.config(w), r, all[:1]); err != nil {
		t.Fatal(err)
	}
	r = w.report(t)
	r.Used = 960_000
	if _, err := notify.Send(t.Context(), w.store, w.config(w), r, all); err != nil {
		t.Fatal(err)
	}
	w.check(t, 2, 0)
	first, last := mailtest.Parse(t, w.mime[0]), mailtest.Parse(t, w.mime[3])
	const change = "The year's number was 0 on 18 Feb 2026 and is 960,000 now."
	if strings.Contains(first.Text, "What has changed") || !strings.Contains(last.Text, change) {
		t.Errorf("the second mail does not say what has changed:\n%s", last.Text)
	}
}

// An address that is refused gets nothing, the others do, and the next run tries only the one.
func TestARefusedAddressIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	refuse := true
	sender := senderFunc(func(ctx context.Context, m *mail.Message) error {
		if refuse && m.To == everybody[0] {
			return errors.New("no such mailbox")
		}
		return w.Send(ctx, m)
	})
	for range 2 {
		result, err := notify.Send(t.Context(), w.store, w.config(sender), r, notices(r)[:1])
		if err != nil || len(result.Failures) != 1 || result.Failures[0].Recipient != 1 || strings.Contains(result.Failures[0].String(), "ann@") {
			t.Fatalf("%+v: %v", result, err)
		}
	}
	refuse = false
	result, err := notify.Send(t.Context(), w.store, w.config(sender), r, notices(r)[:1])
	if err != nil || result.Sent != 1 {
		t.Fatalf("%+v: %v", result, err)
	}
	w.check(t, 1, 0)
}

// errDead is what everything returns after the process was killed.
var errDead = errors.New("killed")

// mortal is a world that is killed at a step: before it, or right after it. Steps are the
// writes of the ledger and the mails.
type mortal struct {
	amau.Store
	*world
	step, at int
	after    bool
	dead     bool
}

// do takes a step.
func (m *mortal) do(effect func() error) error {
	if m.dead {
		return errDead
	}
	m.step++
	if m.step != m.at {
		return effect()
	}
	m.dead = true
	if m.after {
		_ = effect()
	}
	return errDead
}

func (m *mortal) PutNote(ctx context.Context, org string, n amau.Note) (written amau.Note, err error) {
	err = m.do(func() (err error) { written, err = m.Store.PutNote(ctx, org, n); return err })
	return written, err
}

func (m *mortal) Note(ctx context.Context, org, name string) (amau.Note, error) {
	if m.dead {
		return amau.Note{}, errDead
	}
	return m.Store.Note(ctx, org, name)
}

func (m *mortal) Send(ctx context.Context, msg *mail.Message) error {
	return m.do(func() error { return m.world.Send(ctx, msg) })
}

func TestKilledAtEachStep(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := 1; ; at++ {
			w := newWorld(t)
			r := w.report(t)
			m := &mortal{Store: w.store, world: w, at: at, after: after}
			_, err := notify.Send(t.Context(), m, w.config(m), r, notices(r))
			if !m.dead {
				if err != nil || at < 8 {
					t.Fatalf("it took %d steps: %v", at, err)
				}
				break
			}
			t.Run(fmt.Sprintf("step %d, after %v", at, after), func(t *testing.T) {
				// A run at once may find the lease of the dead one, and then leaves it alone.
				if _, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r)); err != nil {
					t.Fatal(err)
				}
				w.now = w.now.Add(24 * time.Hour)
				if _, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r)); err != nil {
					t.Fatal(err)
				}
				w.check(t, 2, 1)
			})
		}
	}
}

// writesFail is a ledger of which only writes fail.
type writesFail struct {
	amau.Store
	faulty amau.Ledger
}

func (w writesFail) PutNote(ctx context.Context, org string, n amau.Note) (amau.Note, error) {
	return w.faulty.PutNote(ctx, org, n)
}

// A ledger that fails in every way loses no mail and repeats none: a write that failed is tried
// again at once, and a run that could not read is made good by the next.
func TestALedgerThatFails(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, fault := range []ledgertest.Fault{ledgertest.Lost, ledgertest.Kept} {
			for _, reads := range []bool{false, true} {
				t.Run(fmt.Sprintf("call %d, fault %d, reads too %v", at, fault, reads), func(t *testing.T) {
					w := newWorld(t)
					r := w.report(t)
					n := 0
					faulty := ledgertest.Faulty(w.store, func() ledgertest.Fault {
						if n++; n == at {
							return fault
						}
						return ledgertest.None
					})
					var notes amau.Notes = faulty
					if !reads {
						notes = writesFail{w.store, faulty}
					}
					_, err := notify.Send(t.Context(), notes, w.config(w), r, notices(r))
					if !reads {
						if err != nil && at <= 8 { // after that everybody was told
							t.Errorf("one fault ended the run: %v", err)
						}
						w.check(t, 2, 0)
					}
					w.now = w.now.Add(24 * time.Hour)
					if _, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r)); err != nil {
						t.Fatal(err)
					}
					w.check(t, 2, 0)
				})
			}
		}
	}
}

func TestTwoRunsAtOnceSendOnce(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		r := w.report(t)
		var runs sync.WaitGroup
		for range 4 {
			runs.Go(func() {
				if _, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r)); err != nil {
					t.Error(err)
				}
			})
		}
		runs.Wait()
		w.check(t, 2, 0)
	}
}

// A run that slept through its lease has lost the notice to another, and repeats one mail at most.
func TestARunThatSleptThroughItsLease(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	slept := false
	sleepy := senderFunc(func(ctx context.Context, m *mail.Message) error {
		if !slept {
			slept = true
			w.now = w.now.Add(time.Hour)
			if _, err := notify.Send(ctx, w.store, w.config(w), r, notices(r)); err != nil {
				t.Error(err)
			}
		}
		return w.Send(ctx, m)
	})
	if _, err := notify.Send(t.Context(), w.store, w.config(sleepy), r, notices(r)); !errors.Is(err, amau.ErrConflict) {
		t.Errorf("it did not notice: %v", err)
	}
	w.check(t, 2, 1)
}

// Many recipients that all take long keep the lease.
func TestTheLeaseIsKept(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	cfg := w.config(nil)
	cfg.To = nil
	for i := range 10 {
		cfg.To = append(cfg.To, fmt.Sprintf("r%d@example.org", i))
	}
	tried := map[string]int{}
	cfg.Sender = senderFunc(func(ctx context.Context, m *mail.Message) error {
		w.now = w.now.Add(2 * time.Minute)
		tried[m.To]++
		other := cfg
		other.Sender = senderFunc(func(_ context.Context, m *mail.Message) error { t.Error("another run sends"); return nil })
		if result, err := notify.Send(ctx, w.store, other, r, notices(r)[:1]); err != nil || result.Busy != 1 {
			t.Errorf("%+v: %v", result, err)
		}
		return errors.New("it took too long")
	})
	if result, err := notify.Send(t.Context(), w.store, cfg, r, notices(r)[:1]); err != nil || len(result.Failures) != 10 || len(tried) != 10 {
		t.Errorf("%+v: %v", result, err)
	}
}

// A run that is told to stop writes down what it has sent.
func TestStoppedWhileSending(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	ctx, cancel := context.WithCancel(t.Context())
	sender := senderFunc(func(ctx context.Context, m *mail.Message) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		cancel()
		return w.Send(ctx, m)
	})
	if _, err := notify.Send(ctx, w.store, w.config(sender), r, notices(r)); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r)); err != nil {
		t.Fatal(err)
	}
	w.check(t, 2, 0)
}

func TestTheLedgerHoldsNoAddress(t *testing.T) {
	w := newWorld(t)
	r := w.report(t)
	if _, err := notify.Send(t.Context(), w.store, w.config(w), r, notices(r)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for note, err := range w.store.NotesWith(t.Context(), "default", "mail") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if strings.Contains(string(note.Value), "@") || strings.Contains(note.Name, "@") {
			t.Errorf("%s holds %s", note.Name, note.Value)
		}
	}
	if n != 3 {
		t.Errorf("%d notes", n)
	}
}

func TestParseRecipients(t *testing.T) {
	got, err := notify.ParseRecipients("ann@example.org, Bob <bob@example.org>,,ANN@example.org,")
	if err != nil || !slices.Equal(got, everybody) {
		t.Errorf("%q: %v", got, err)
	}
	if got, err := notify.ParseRecipients(""); err != nil || got != nil {
		t.Errorf("%q: %v", got, err)
	}
	if _, err := notify.ParseRecipients("ann@example.org,bob"); !errors.Is(err, amau.ErrBadInput) || !strings.Contains(err.Error(), "recipient 2") || strings.Contains(err.Error(), "ann") {
		t.Errorf("%v", err)
	}
}
