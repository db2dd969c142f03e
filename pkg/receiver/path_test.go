package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/okta-amau/okta-amau/internal/testtools"
	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/ledger/ledgertest"
	"github.com/okta-amau/okta-amau/pkg/ledger/sqlite"
	"github.com/okta-amau/okta-amau/pkg/queue"
	"github.com/okta-amau/okta-amau/pkg/receiver"
)

const pathSecret = "the-secret-of-the-whole-path"

// path is the whole way of a delivery: receiver, ledger, the queue that takes what the ledger
// does not, and what empties that queue into the ledger. Each part fails as it is drawn.
type path struct {
	t       *testing.T
	store   *sqlite.Ledger
	ledger  amau.Ledger // with faults
	hook    *receiver.Receiver
	mu      sync.Mutex
	calm    bool // no more faults
	faults  int
	queue   []string // message bodies
	spilled int
}

var errQueue = errors.New("the queue is down")

// fault draws what becomes of a call.
func (p *path) fault() ledgertest.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calm || rand.IntN(3) > 0 {
		return ledgertest.None
	}
	p.faults++
	return []ledgertest.Fault{ledgertest.Lost, ledgertest.Kept, ledgertest.Half, ledgertest.Lost, ledgertest.Kept, ledgertest.Half, ledgertest.Stuck}[rand.IntN(7)]
}

// SendMessage is the queue: it loses the message or the answer, and keeps some twice.
func (p *path) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	fault := p.fault()
	if fault == ledgertest.Lost || fault == ledgertest.Half {
		return nil, errQueue
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spilled++
	p.queue = append(p.queue, aws.ToString(in.MessageBody))
	if rand.IntN(4) == 0 {
		p.queue = append(p.queue, aws.ToString(in.MessageBody))
	}
	if fault != ledgertest.None {
		return nil, errQueue
	}
	return &sqs.SendMessageOutput{}, nil
}

func newPath(t *testing.T) *path {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "amau.db"), sqlite.Options{KnownClaims: 64})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	p := &path{t: t, store: store}
	p.ledger = ledgertest.Faulty(store, p.fault)
	p.restart()
	return p
}

// restart makes a receiver that knows nothing of the one before, as a new process would be.
func (p *path) restart() {
	hook, err := receiver.New(receiver.Config{
		Secrets: secrets{}, Recorder: p.recorder(), Quarantine: queue.NewQuarantine(p, "quarantine"), Spill: queue.NewIntake(p, "intake"),
		Budget: 60 * time.Millisecond, LedgerShare: 30 * time.Millisecond,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

func (p *path) receiver() *receiver.Receiver {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hook
}

func (p *path) recorder() *amau.Recorder {
	contract, err := amau.NewContract(nil, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	keyer, err := amau.NewKeyer([]byte("a pseudonym key for tests only"))
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := amau.NewRecorder(amau.Config{Org: "path", Contract: contract, Keyer: keyer}, p.ledger)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

type secrets struct{}

func (secrets) Keys(context.Context) (receiver.Keys, error) {
	return receiver.NewKeys(pathSecret, ""), nil
}
func (s secrets) Refresh(ctx context.Context) (receiver.Keys, error) { return s.Keys(ctx) }

// deliver sends users' log-ins, once more after a 5xx as Okta does, and reports whether they
// were acknowledged.
func (p *path) deliver(users []int) bool {
	var events []string
	for _, u := range users {
		events = append(events, fmt.Sprintf(`{"uuid":"u%d","published":"2026-03-%02dT12:00:00.000Z","eventType":"user.session.start","actor":{"id":"00u%d","type":"User"},"outcome":{"result":"SUCCESS"},"target":null}`, u, 1+u%28, u))
	}
	body := []byte(`{"eventType":"com.okta.event_hook","data":{"events":[` + strings.Join(events, ",") + `]}}`)
	for range 2 {
		res, _ := p.receiver().Handle(p.t.Context(), receiver.Request{
			Method: "POST", Header: receiver.HeaderMap(map[string]string{"authorization": pathSecret}),
			Body: func(int) ([]byte, error) { return body, nil },
		})
		switch res.Status {
		case 204:
			return true
		case 503:
		default:
			p.t.Errorf("status %d", res.Status)
		}
	}
	return false
}

// drain empties the queue into the ledger as its function does: what fails stays.
func (p *path) drain() {
	r := p.recorder()
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.mu.Unlock()
			return
		}
		i := rand.IntN(len(p.queue))
		message := p.queue[i]
		p.queue = slices.Delete(p.queue, i, i+1)
		p.mu.Unlock()
		batch, err := queue.ParseBatch([]byte(message))
		if err != nil {
			p.t.Error(err)
			return
		}
		ctx, cancel := context.WithTimeout(p.t.Context(), 50*time.Millisecond)
		err = r.Commit(ctx, batch)
		cancel()
		if err != nil {
			p.mu.Lock()
			p.queue = append(p.queue, message)
			p.mu.Unlock()
		}
	}
}

// users returns who is counted on a meter in the ledger.
func (p *path) users(meter amau.Meter) map[amau.UserKey]bool {
	p.t.Helper()
	found := map[amau.UserKey]bool{}
	for c, err := range p.store.Claims(p.t.Context(), "path", "2026-03-01T00:00:00Z", meter) {
		if err != nil {
			p.t.Fatal(err)
		}
		found[c.User] = true
	}
	return found
}

// TestSoakWholePath sends deliveries through parts that fail in every way at every call: lost,
// lost answers, halves, no answer, messages twice, processes that forget. Every user that was
// acknowledged is in the ledger when the queue is empty, nobody who was not sent is, and when
// the rest was sent again the count is exact.
func TestSoakWholePath(t *testing.T) {
	faults, spilled, delivered, refused := 0, 0, 0, 0
	for range testtools.Rounds(t, 2, 100) {
		p := newPath(t)
		const users, clients, each = 400, 6, 12
		var mu sync.Mutex
		sent, acknowledged := map[int]bool{}, map[int]bool{}
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for n := range each {
					some := make([]int, 1+rand.IntN(9))
					for i := range some {
						some[i] = rand.IntN(users)
					}
					ok := p.deliver(some)
					mu.Lock()
					delivered++
					for _, u := range some {
						sent[u] = true
						acknowledged[u] = acknowledged[u] || ok
					}
					if !ok {
						refused++
					}
					mu.Unlock()
					if n%5 == 4 {
						p.restart()
					}
				}
			})
		}
		wg.Go(p.drain) // also while deliveries come
		wg.Wait()
		p.drain()
		key := func(u int) amau.UserKey { return p.recorder().Keyer.Key("path", fmt.Sprintf("00u%d", u)) }
		for _, meter := range []amau.Meter{amau.Session, amau.Total} {
			found := p.users(meter)
			for u, ok := range acknowledged {
				if ok && !found[key(u)] {
					t.Errorf("user %d was acknowledged, and is not counted on %s", u, meter)
				}
				delete(found, key(u))
			}
			if len(found) > 0 {
				t.Errorf("%d users are counted on %s who were never sent", len(found), meter)
			}
		}
		p.mu.Lock()
		p.calm = true
		p.mu.Unlock()
		for u := range sent {
			for !p.deliver([]int{u}) {
			}
		}
		p.drain()
		for _, meter := range []amau.Meter{amau.Session, amau.Total} {
			n, err := amau.CountOne(t.Context(), p.store, "path", "2026-03-01T00:00:00Z", meter)
			if err != nil || n != int64(len(sent)) {
				t.Errorf("%d users on %s, want %d, error %v", n, meter, len(sent), err)
			}
		}
		faults, spilled = faults+p.faults, spilled+p.spilled
	}
	t.Logf("%d deliveries (%d refused twice), %d faults, %d messages by the queue: nothing acknowledged was lost, every count exact", delivered, refused, faults, spilled)
}
