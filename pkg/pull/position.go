package pull

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/okta-amau/okta-amau/pkg/amau"
	"github.com/okta-amau/okta-amau/pkg/okta"
)

const (
	retention = amau.SystemLogDays * 24 * time.Hour

	// overlap is how much is read again when the position is lost: events may be stored in the
	// log later than they happened, in bad times by hours.
	overlap = 24 * time.Hour

	// together is how long a time of pages one place to come back to stands for; it bounds how
	// many there are at once, however much happens.
	together = 10 * time.Minute

	// leastGap is the least time that is called a gap. While the oldest events are read, at first,
	// a few of them leave the log before their page's turn.
	leastGap = time.Hour

	// maxLinks bounds the links of a note in bytes, when they are unpacked.
	maxLinks = 1 << 20

	// maxGaps bounds the gaps that are remembered; the oldest goes first.
	maxGaps = 20
)

// position is what the note of a pull holds. Its links are opaque and Okta's.
type position struct {
	amau.PullPosition
	OrgURL string    `json:"org_url"`
	Filter string    `json:"filter"`         // digest of the filter that the links carry
	Since  time.Time `json:"since,omitzero"` // the Config.Since that the reading began with
	Links  []byte    `json:"links"`          // Head and each From, packed; only in the note
	Head   string    `json:"-"`              // the page to be read next
	Held   []held    `json:"held,omitempty"`
}

// held is a stretch of the log to come back to, because it has events that the hook may still
// deliver. It begins with the page From and ends with the event Last.
type held struct {
	From   string    `json:"-"`      // link
	Last   string    `json:"last"`   // uuid of the last event that is held back
	First  time.Time `json:"first"`  // when the events of its first page may be claimed
	Due    time.Time `json:"due"`    // when all of them may be claimed
	Oldest time.Time `json:"oldest"` // the earliest published
}

// encode writes the position. Links are over a thousand characters long and nearly the same;
// packed, a dozen of them are less than one.
func (p position) encode() ([]byte, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	links := append(make([]string, 0, 1+len(p.Held)), p.Head)
	for _, h := range p.Held {
		links = append(links, h.From)
	}
	if err := json.NewEncoder(w).Encode(links); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	p.Links = packed.Bytes()
	return json.Marshal(p)
}

func decodePosition(data []byte) (p position, err error) {
	if err := json.Unmarshal(data, &p); err != nil {
		return position{}, fmt.Errorf("the stored position is not JSON: %w", err)
	}
	var links []string
	r := flate.NewReader(bytes.NewReader(p.Links))
	if err := json.NewDecoder(io.LimitReader(r, maxLinks)).Decode(&links); err != nil || len(links) != 1+len(p.Held) {
		return position{}, errors.New("the stored position's links cannot be read")
	}
	p.Links, p.Head = nil, links[0]
	for i := range p.Held {
		p.Held[i].From = links[1+i]
	}
	return p, nil
}

// digest names a filter in a few characters.
func digest(filter string) string {
	sum := sha256.Sum256([]byte(filter))
	return hex.EncodeToString(sum[:6])
}

// load reads the position, and decides where to begin if it is of no use.
func (p *Puller) load(ctx context.Context) error {
	if err := p.read(ctx, p.cfg.Name); err != nil {
		return err
	}
	if since := p.cfg.Since; p.note.Version > 0 && !since.IsZero() && !since.Equal(p.at.Since) {
		// The position that all others go on from is left alone: it may be further back, and
		// would then jump over what nobody has read.
		if err := p.read(ctx, p.cfg.Name+"/since/"+since.UTC().Format(time.RFC3339Nano)); err != nil {
			return err
		}
	}
	switch {
	case p.note.Version == 0:
		p.begin()
	case p.broken != nil:
		p.restart("the stored position cannot be read")
	case p.at.OrgURL != p.cfg.Log.OrgURL():
		p.restart("the log was read at another org URL before")
	case p.at.Filter != digest(okta.LogFilter(p.cfg.Recorder.Rules)):
		p.restart("the event types that count were others before")
	}
	p.noteGap()
	return nil
}

// read reads the position of that name.
func (p *Puller) read(ctx context.Context, name string) error {
	note, err := p.cfg.Ledger.Note(ctx, p.org, amau.NoteCursor+name)
	if err != nil {
		return fmt.Errorf("read the position of the last pull: %w", ledgerError{err})
	}
	note.Name = amau.NoteCursor + name
	p.note, p.at, p.broken = note, position{}, nil
	if note.Version > 0 {
		p.at, p.broken = decodePosition(note.Value)
	}
	return nil
}

// begin makes the position one that reads from Config.Since on, or from as far back as Okta has.
func (p *Puller) begin() {
	since := p.cfg.Since.UTC()
	if oldest := p.cfg.Now().UTC().Add(-retention); since.Before(oldest) {
		since = oldest
	}
	p.at.From, p.at.ReadTo, p.at.Since = since, since, p.cfg.Since.UTC()
	p.lead(since)
}

// restart makes the position, which is of no use any more, one that reads again from the last
// safe time, with an overlap: everything that Okta stored before ReadTo was read, but for the
// events that are held back.
func (p *Puller) restart(why string) {
	at := &p.at
	safe := at.ReadTo
	for _, h := range at.Held {
		if h.Oldest.Before(safe) {
			safe = h.Oldest
		}
	}
	since := safe.Add(-overlap)
	if oldest := p.cfg.Now().Add(-retention); since.Before(oldest) {
		since = oldest
	}
	if at.From.IsZero() {
		at.From, at.ReadTo = since.UTC(), since.UTC()
	}
	p.lead(since)
	p.result.Restarted = fmt.Sprintf("%s; reading again from %s", why, since.UTC().Format("2006-01-02 15:04 UTC"))
}

// lead makes the log from since on what is read next.
func (p *Puller) lead(since time.Time) {
	filter := okta.LogFilter(p.cfg.Recorder.Rules)
	p.at.OrgURL, p.at.Filter = p.cfg.Log.OrgURL(), digest(filter)
	p.at.Head, p.at.Held = p.cfg.Log.FirstLog(since, filter), nil
	p.atEnd = false
}

// noteGap notices that the pull stood still for longer than Okta keeps its log. A gap that
// begins where one was noted before is the same, grown.
func (p *Puller) noteGap() {
	at, oldest := &p.at, p.cfg.Now().UTC().Add(-retention)
	if p.note.Name != amau.NoteCursor+p.cfg.Name || !at.ReadTo.Before(oldest.Add(-leastGap)) {
		return
	}
	g := amau.Gap{From: at.ReadTo, To: oldest}
	if n := len(at.Gaps); n > 0 && at.Gaps[n-1].From.Equal(g.From) {
		at.Gaps = at.Gaps[:n-1]
	}
	at.Gaps = append(at.Gaps, g)
	if len(at.Gaps) > maxGaps {
		at.Gaps = at.Gaps[1:]
	}
	p.result.Lost = append(p.result.Lost, g)
}

// store writes the position down. When another pull was faster it is read again, and the run
// goes on from there: the claims of the page that was just read are there twice over, which
// changes nothing.
func (p *Puller) store(ctx context.Context) error {
	value, err := p.at.encode()
	if err != nil {
		return fmt.Errorf("write down the position: %w", err)
	}
	note := p.note
	note.Value = value
	note, err = p.cfg.Ledger.PutNote(ctx, p.org, note)
	if errors.Is(err, amau.ErrConflict) {
		p.atEnd = false
		return p.load(ctx)
	}
	if err != nil {
		return fmt.Errorf("store the position: %w", ledgerError{err})
	}
	p.note = note
	return nil
}

// hold remembers a stretch of the page at link to come back to; it joins the stretch before if
// that is recent.
func (at *position) hold(h held) {
	if n := len(at.Held); n > 0 && h.First.Sub(at.Held[n-1].First) <= together {
		tail := &at.Held[n-1]
		tail.Last = h.Last
		if h.Due.After(tail.Due) {
			tail.Due = h.Due
		}
		if h.Oldest.Before(tail.Oldest) {
			tail.Oldest = h.Oldest
		}
		return
	}
	at.Held = append(at.Held, h)
}

// due returns the index of a stretch whose time has come, or -1.
func (at *position) due(now time.Time) int {
	for i := range at.Held {
		if !at.Held[i].Due.After(now) {
			return i
		}
	}
	return -1
}
