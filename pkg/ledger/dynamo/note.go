package dynamo

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The attributes of a note; its name is the sort key.
const (
	attrValue   = "v" // a string if it is UTF-8, so that it can be read in the console, else binary
	attrVersion = "n"
)

// maxNote is the longest value of a note, in bytes.
const maxNote = 256 << 10

func noteKey(org, name string) key { return key{"n|" + org, name} }

// Note implements [amau.Notes].
func (l *Ledger) Note(ctx context.Context, org, name string) (amau.Note, error) {
	it, err := l.getItem(ctx, noteKey(org, name))
	if err != nil {
		return amau.Note{}, fmt.Errorf("read note %s in table %s: %w", name, l.table, err)
	}
	if it == nil {
		return amau.Note{Name: name}, nil
	}
	return noteOf(it), nil
}

// PutNote implements [amau.Notes]. It is one conditional write: a crash leaves the old note or
// the new one.
func (l *Ledger) PutNote(ctx context.Context, org string, n amau.Note) (amau.Note, error) {
	if len(n.Value) > maxNote {
		return amau.Note{}, fmt.Errorf("note %s has %d bytes, it may have %d: %w", n.Name, len(n.Value), maxNote, amau.ErrBadInput)
	}
	mark := newMark(noteMarkSize)
	it := noteKey(org, n.Name).item()
	it[attrVersion] = integer(n.Version + 1)
	it[attrMark] = bytesValue(mark)
	if it[attrValue] = bytesValue(n.Value); utf8.Valid(n.Value) {
		it[attrValue] = text(string(n.Value))
	}
	in := &dynamodb.PutItemInput{Item: it, ConditionExpression: aws.String(notThere)}
	if n.Version > 0 {
		in.ConditionExpression = aws.String(attrVersion + " = :read")
		in.ExpressionAttributeValues = item{":read": integer(n.Version)}
	}
	err := l.putItem(ctx, in, l.opt.Attempts)
	before, isConflict := conflictOf(err)
	switch {
	case isConflict && bytes.Equal(bytesOf(before, attrMark), mark):
		// An attempt whose answer was lost wrote it, so nobody else did.
	case isConflict:
		return amau.Note{}, fmt.Errorf("write note %s: %w", n.Name, amau.ErrConflict)
	case err != nil:
		return amau.Note{}, fmt.Errorf("write note %s to table %s: %w", n.Name, l.table, err)
	}
	n.Version++
	return n, nil
}

// NotesWith implements [amau.Notes].
func (l *Ledger) NotesWith(ctx context.Context, org, prefix string) iter.Seq2[amau.Note, error] {
	return func(yield func(amau.Note, error) bool) {
		in := &dynamodb.QueryInput{
			KeyConditionExpression:    aws.String("pk = :pk"),
			ExpressionAttributeValues: item{":pk": text(noteKey(org, "").pk)},
		}
		if prefix != "" { // DynamoDB takes no empty prefix
			in.KeyConditionExpression = aws.String("pk = :pk AND begins_with(sk, :prefix)")
			in.ExpressionAttributeValues[":prefix"] = text(prefix)
		}
		err := l.queryPages(ctx, in, func(page *dynamodb.QueryOutput) bool {
			for _, it := range page.Items {
				if !yield(noteOf(it), nil) {
					return false
				}
			}
			return true
		})
		if err != nil {
			yield(amau.Note{}, fmt.Errorf("read the notes of table %s: %w", l.table, err))
		}
	}
}

func noteOf(it item) amau.Note {
	n := amau.Note{Name: textOf(it, attrSK), Value: bytesOf(it, attrValue), Version: integerOf(it, attrVersion)}
	if n.Value == nil {
		n.Value = []byte(textOf(it, attrValue))
	}
	return n
}
