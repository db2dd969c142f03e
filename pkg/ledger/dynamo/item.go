package dynamo

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// The attributes of the key.
const (
	attrPK = "pk"
	attrSK = "sk"
)

// The attributes of a claim.
const (
	attrEventType = "e" // see shortenType
	attrUUID      = "u"
	attrPublished = "p" // seconds since 1970, with up to 9 decimals
	attrSource    = "s"
	attrRecorded  = "r" // seconds since 1970, with up to 3 decimals
	attrMark      = "w" // see newMark
)

// An item is what the SDK reads and writes.
type item = map[string]types.AttributeValue

// A key names an item.
type key struct{ pk, sk string }

func (k key) item() item { return item{attrPK: text(k.pk), attrSK: text(k.sk)} }

func keyOf(it item) key { return key{textOf(it, attrPK), textOf(it, attrSK)} }

// claimsKey returns the partition key of the claims of one shard. Neither org nor period can
// hold the separator and the shard is the last part, so no two scopes share a key.
func claimsKey(org, period string, meter amau.Meter, shard int) string {
	return fmt.Sprintf("c|%s|%s|%s|%02d", org, period, meter, shard)
}

func claimKey(c *amau.Claim, shards int) key {
	return key{claimsKey(c.Org, c.Period, c.Meter, shardOf(c.User, shards)), c.User.String()}
}

// claimItem returns the item of a claim: under 200 bytes for an org of up to 36 characters, so
// one write unit.
func claimItem(k key, e *amau.Evidence, mark []byte) item {
	it := k.item()
	it[attrEventType] = text(shortenType(e.Type))
	it[attrUUID] = text(e.UUID)
	it[attrPublished] = number(formatInstant(e.Published))
	it[attrSource] = text(string(e.Source))
	it[attrRecorded] = number(formatInstant(e.Recorded))
	it[attrMark] = bytesValue(mark)
	return it
}

// evidenceOf reads what claimItem wrote.
func evidenceOf(it item) (amau.Evidence, error) {
	published, err := instantOf(it, attrPublished)
	if err != nil {
		return amau.Evidence{}, err
	}
	recorded, err := instantOf(it, attrRecorded)
	if err != nil {
		return amau.Evidence{}, err
	}
	return amau.Evidence{
		Type:      expandType(textOf(it, attrEventType)),
		UUID:      textOf(it, attrUUID),
		Published: published,
		Source:    amau.Source(textOf(it, attrSource)),
		Recorded:  recorded,
	}, nil
}

// Ten of the twelve event types begin alike, which one character stands for. A type that
// begins with one of the two characters used here is marked, so that any type survives.
const (
	longPrefix   = "app.oauth2."
	shortPrefix  = "~"
	escapePrefix = "="
)

func shortenType(t string) string {
	if rest, ok := strings.CutPrefix(t, longPrefix); ok {
		return shortPrefix + rest
	}
	if strings.HasPrefix(t, shortPrefix) || strings.HasPrefix(t, escapePrefix) {
		return escapePrefix + t
	}
	return t
}

func expandType(t string) string {
	if rest, ok := strings.CutPrefix(t, shortPrefix); ok {
		return longPrefix + rest
	}
	return strings.TrimPrefix(t, escapePrefix)
}

// newMark returns a few random bytes that make one write recognisable to the one who made it:
// when the answer to a write was lost and its repetition finds an item with the same mark, the
// item is the repetition's own.
func newMark(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails
	return b
}

// A claim's mark tells apart the few writers that race for it. A note's decides who won.
const (
	claimMarkSize = 4
	noteMarkSize  = 16
)

// shardOf returns the shard of a user: the first character of the key's text by its place in
// ASCII, so that shards in order hold users in the order of [amau.CompareUserKeys].
func shardOf(user amau.UserKey, shards int) int {
	return base64Rank(user[0]>>2) * shards / 64
}

// base64Rank returns the place of the base64url character of six bits among all 64 of them in
// ASCII, where "-" comes first, then digits, capitals, "_" and small letters.
func base64Rank(six byte) int {
	switch {
	case six < 26: // A-Z
		return 11 + int(six)
	case six < 52: // a-z
		return 38 + int(six) - 26
	case six < 62: // 0-9
		return 1 + int(six) - 52
	case six == 62: // -
		return 0
	}
	return 37 // _
}

// formatInstant writes t as a number of seconds since 1970, which orders like time. DynamoDB
// keeps 38 digits, so any instant keeps its nanoseconds.
func formatInstant(t time.Time) string {
	sec, nsec, sign := t.Unix(), int64(t.Nanosecond()), ""
	if sec < 0 {
		sec, sign = -sec, "-"
		if nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
	}
	s := sign + strconv.FormatInt(sec, 10)
	if nsec > 0 {
		s += strings.TrimRight(fmt.Sprintf(".%09d", nsec), "0")
	}
	return s
}

// parseInstant reads what formatInstant wrote.
func parseInstant(s string) (time.Time, error) {
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, decimals, _ := strings.Cut(unsigned, ".")
	usec, err := strconv.ParseUint(whole, 10, 62)
	if err != nil || len(decimals) > 9 {
		return time.Time{}, fmt.Errorf("%q is not a number of seconds", s)
	}
	unsec, err := strconv.ParseUint((decimals + "000000000")[:9], 10, 62)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a number of seconds", s)
	}
	sec, nsec := int64(usec), int64(unsec)
	if negative {
		sec, nsec = -sec, -nsec
	}
	return time.Unix(sec, nsec).UTC(), nil
}

func instantOf(it item, name string) (time.Time, error) {
	t, err := parseInstant(numberOf(it, name))
	if err != nil {
		return time.Time{}, fmt.Errorf("attribute %s: %w", name, err)
	}
	return t, nil
}

func text(s string) types.AttributeValue {
	return &types.AttributeValueMemberS{Value: s}
}

func number(s string) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: s}
}

func integer(n int64) types.AttributeValue {
	return number(strconv.FormatInt(n, 10))
}

func bytesValue(b []byte) types.AttributeValue {
	return &types.AttributeValueMemberB{Value: b}
}

// textOf returns a string attribute, "" when there is none.
func textOf(it item, name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// numberOf returns the digits of a number attribute, "" when there is none.
func numberOf(it item, name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberN); ok {
		return v.Value
	}
	return ""
}

// integerOf returns a whole number, 0 when there is none.
func integerOf(it item, name string) int64 {
	n, _ := strconv.ParseInt(numberOf(it, name), 10, 64)
	return n
}

// bytesOf returns a binary attribute, nil when there is none.
func bytesOf(it item, name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}
