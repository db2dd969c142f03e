package amau

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// SystemLogDays is how long Okta keeps its System Log. What was not read by then is gone.
const SystemLogDays = 90

// NoteCursor begins the names of the notes in which pulls keep their positions. Their values
// are JSON objects that hold the members of [PullPosition], and more that is the pull's own.
const NoteCursor = "cursor/"

// PullPosition is how far a pull of the System Log has come.
type PullPosition struct {
	From     time.Time `json:"from"`      // events were read from this published time on
	ReadTo   time.Time `json:"read_to"`   // what Okta stored before then was read
	CaughtUp time.Time `json:"caught_up"` // when the end of the log was last reached; zero: never
	Gaps     []Gap     `json:"gaps,omitempty"`
}

// Gap is a time of which events were lost, because nobody read them while Okta had them.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// PullPositions returns the positions of the org's pulls, by name.
func PullPositions(ctx context.Context, notes Notes, org string) ([]PullPosition, error) {
	var positions []PullPosition
	for note, err := range notes.NotesWith(ctx, org, NoteCursor) {
		if err != nil {
			return nil, fmt.Errorf("read the pull's position: %w", err)
		}
		var p PullPosition
		if err := json.Unmarshal(note.Value, &p); err != nil {
			return nil, fmt.Errorf("read the note %s: %w", note.Name, err)
		}
		positions = append(positions, p)
	}
	return positions, nil
}

// HookInUse says that an event hook is in use, and since when it must deliver.
type HookInUse struct {
	// Since is the published time from which on the hook has to deliver. What the pull finds
	// of before is no loss of the hook's.
	Since time.Time `json:"since"`

	ID string `json:"id,omitempty"` // the hook's id at Okta, who…; empty: not known
}

// noteHook is where a ledger keeps its HookInUse.
const noteHook = "hook/in-use"

// HookOf returns the org's event hook, or the zero HookInUse when there is none.
func HookOf(ctx context.Context, notes Notes, org string) (HookInUse, error) {
	h, _, err := hookNote(ctx, notes, org)
	return h, err
}

func hookNote(ctx context.Context, notes Notes, org string) (h HookInUse, note Note, err error) {
	if note, err = notes.Note(ctx, org, noteHook); err != nil {
		return h, note, fmt.Errorf("read since when the hook is in use: %w", err)
	}
	if note.Version == 0 {
		return h, note, nil
	}
	if err = json.Unmarshal(note.Value, &h); err != nil {
		return h, note, fmt.Errorf("read the note %s: %w", noteHook, err)
	}
	return h, note, nil
}

// UseHook writes down that a hook is in use and returns what then holds: the earliest Since
// that anybody gave, and the latest ID.
func UseHook(ctx context.Context, notes Notes, org string, hook HookInUse) (HookInUse, error) {
	for {
		known, note, err := hookNote(ctx, notes, org)
		if err != nil {
			return known, err
		}
		next := known
		if known.Since.IsZero() || hook.Since.Before(known.Since) {
			next.Since = hook.Since.UTC()
		}
		if hook.ID != "" {
			next.ID = hook.ID
		}
		if next == known {
			return known, nil
		}
		note.Name = noteHook
		if note.Value, err = json.Marshal(next); err != nil {
			return known, fmt.Errorf("write down the hook: %w", err)
		}
		if _, err = notes.PutNote(ctx, org, note); err == nil {
			return next, nil
		} else if !errors.Is(err, ErrConflict) {
			return known, fmt.Errorf("write down the hook: %w", err)
		}
	}
}
