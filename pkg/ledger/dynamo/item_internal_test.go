package dynamo

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

// itemSize computes what DynamoDB charges an item as: the UTF-8 bytes of names and of strings,
// the bytes of binaries, and for a number one byte per two significant digits and one more.
func itemSize(t *testing.T, it item) (size int) {
	for name, value := range it {
		size += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			digits := len(strings.Trim(strings.ReplaceAll(v.Value, ".", ""), "-0"))
			size += (digits+1)/2 + 1
			if strings.HasPrefix(v.Value, "-") {
				size++
			}
		default:
			t.Fatalf("attribute %s is a %T", name, value)
		}
	}
	return size
}

func TestClaimItemIsUnder200Bytes(t *testing.T) {
	org := strings.Repeat("o", 36)
	largest := 0
	for _, rule := range amau.DefaultRules().All() {
		for _, meter := range []amau.Meter{rule.Meter, amau.Total} {
			for _, source := range amau.Sources() {
				c := amau.Claim{Org: org, Period: "2026-01-15T00:00:00Z", Meter: meter, User: amau.UserKey{1}, Evidence: amau.Evidence{
					Type: rule.Type, UUID: "01234567-89ab-cdef-0123-456789abcdef", Source: source,
					Published: time.Date(2026, 12, 31, 23, 59, 59, 999e6, time.UTC), Recorded: time.Date(2027, 1, 1, 0, 0, 0, 123e6, time.UTC),
				}}
				size := itemSize(t, claimItem(claimKey(&c, 64), &c.Evidence, newMark(claimMarkSize)))
				if size >= 200 {
					t.Errorf("the item of %s on %s from %s has %d bytes", c.Type, meter, source, size)
				}
				largest = max(largest, size)
			}
		}
	}
	t.Logf("the largest, with an org of %d characters, has %d bytes", len(org), largest)
}

// Shards in order must hold users in order: only so can they be listed one after another.
func TestShardsFollowTheOrderOfUsers(t *testing.T) {
	var users []amau.UserKey
	for first := range 256 {
		for range 4 {
			users = append(users, amau.UserKey{byte(first), byte(rand.Uint32())})
		}
	}
	slices.SortFunc(users, amau.CompareUserKeys)
	for shards := 1; shards <= 64; shards *= 2 {
		held := make([]int, shards)
		last := 0
		for _, u := range users {
			shard := shardOf(u, shards)
			if shard < last || shard >= shards {
				t.Fatalf("%d shards: user %s is in shard %d after one of shard %d", shards, u, shard, last)
			}
			last = shard
			held[shard]++
		}
		for shard, n := range held {
			if n != len(users)/shards {
				t.Errorf("%d shards: shard %d holds %d of %d first bytes", shards, shard, n, len(users))
			}
		}
	}
}

func TestShardCountMustDivide64(t *testing.T) {
	for n := -1; n <= 130; n++ {
		want := slices.Contains([]int{1, 2, 4, 8, 16, 32, 64}, n)
		if validShards(n) != want {
			t.Errorf("%d shards: %v", n, !want)
		}
	}
}

func TestInstants(t *testing.T) {
	for text, at := range map[string]time.Time{
		"0":                      time.Unix(0, 0),
		"1768435200":             time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC),
		"1768435200.123":         time.Date(2026, 1, 15, 0, 0, 0, 123e6, time.UTC),
		"1768435200.000000001":   time.Date(2026, 1, 15, 0, 0, 0, 1, time.UTC),
		"-0.5":                   time.Unix(-1, 5e8),
		"-0.000000001":           time.Unix(-1, 999999999),
		"-1":                     time.Unix(-1, 0),
		"-1.25":                  time.Unix(-2, 75e7),
		"-62135596800":           {},
		"-62135596799.999999999": time.Time{}.Add(1),
		"253402300799.999999999": time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		if got := formatInstant(at); got != text {
			t.Errorf("%v is written %s, want %s", at.UTC(), got, text)
		}
		if got, err := parseInstant(text); err != nil || !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("%s is read as %v (%v), want %v", text, got, err, at.UTC())
		}
	}
	for _, bad := range []string{"", "x", "1.x", "1.0000000001", "--1", "1.-5", "1e3"} {
		if got, err := parseInstant(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func TestEventTypesSurviveShortening(t *testing.T) {
	types := []string{"", "~", "=", "~as.token", "==", "=~x", "app.oauth2.", "app.oauth2.~x", "app.oauth2"}
	for _, rule := range amau.DefaultRules().All() {
		types = append(types, rule.Type)
	}
	short := map[string]string{}
	for _, full := range types {
		s := shortenType(full)
		if got := expandType(s); got != full {
			t.Errorf("%q becomes %q and then %q", full, s, got)
		}
		if other, taken := short[s]; taken {
			t.Errorf("%q and %q both become %q", full, other, s)
		}
		short[s] = full
	}
	if s := shortenType("app.oauth2.as.token.grant.id_token"); s != "~as.token.grant.id_token" {
		t.Errorf("shortened to %q", s)
	}
}

// Two writes of one process can overtake one another on their way to the table.
func TestTallyKeepsTheLargerSum(t *testing.T) {
	l := newInternalLedger(t)
	id := tallyID{"org", "2026-01-15", amau.FromHook}
	for _, events := range []int64{5, 9, 7} {
		if err := l.putTally(t.Context(), id, &amau.Tally{Events: events}, 1); err != nil {
			t.Fatal(err)
		}
	}
	tallies, err := l.Tallies(t.Context(), "org", "2026-01-15", "2026-01-15")
	if err != nil || len(tallies) != 1 || tallies[0].Events != 9 {
		t.Errorf("tallies %+v, error %v, want 9 events", tallies, err)
	}
}
