package amau_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/okta-amau/okta-amau/pkg/amau"
)

const passphrase = "correct horse battery staple"

func keyer(t tb, pseudonymKey string) *amau.Keyer {
	t.Helper()
	k, err := amau.NewKeyer([]byte(pseudonymKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The vectors were computed by OpenSSL, not by this code:
//
//	printf 'acme\00000u1a2b3c4d5e6f7g8h9' |
//	  openssl dgst -sha256 -hmac 'correct horse battery staple' -binary |
//	  head -c 16 | base64 | tr '+/' '-_' | tr -d '='
//	printf 'okta-amau pseudonym key id\000' |
//	  openssl dgst -sha256 -hmac 'correct horse battery staple' | cut -d' ' -f2 | head -c 16
func TestUserKeyVector(t *testing.T) {
	k := keyer(t, passphrase)
	if got, want := k.Key("acme", "00u1a2b3c4d5e6f7g8h9").String(), "jbXTdYUbIpNk_pfyA5HOmA"; got != want {
		t.Errorf("user key %s, want %s", got, want)
	}
	if got, want := k.ID(), "66fcfb1053482344"; got != want {
		t.Errorf("pseudonym key id %s, want %s", got, want)
	}
}

func TestUserKeysDiffer(t *testing.T) {
	k := keyer(t, passphrase)
	keys := map[amau.UserKey]string{}
	for _, user := range [][2]string{{"acme", "00u1"}, {"acme", "00u2"}, {"acm", "e00u1"}, {"ACME", "00u1"}, {"acme", ""}} {
		key := k.Key(user[0], user[1])
		if other, twice := keys[key]; twice {
			t.Errorf("%v has the key of %s", user, other)
		}
		keys[key] = strings.Join(user[:], "/")
		if keyer(t, passphrase+"!").Key(user[0], user[1]) == key {
			t.Errorf("%v has the same key under another pseudonym key", user)
		}
		if k.Key(user[0], user[1]) != key {
			t.Errorf("%v has another key the second time", user)
		}
	}
}

func TestKeyerIsSafeForConcurrentUse(t *testing.T) {
	k := keyer(t, passphrase)
	users := []string{"00u1", "00u22", "00u333", strings.Repeat("0", 500)}
	var want []amau.UserKey
	for _, u := range users {
		want = append(want, k.Key("acme", u))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 400 {
				if k.Key("acme", users[i%4]) != want[i%4] {
					t.Error("a key is mixed up")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNewKeyerRefusesShortKeys(t *testing.T) {
	for _, short := range []string{"", "0123456789abcde"} {
		if k, err := amau.NewKeyer([]byte(short)); !errors.Is(err, amau.ErrBadInput) || k != nil {
			t.Errorf("%d bytes: %v, %v, want none and ErrBadInput", len(short), k, err)
		}
	}
	key := []byte("0123456789abcdef")
	k, err := amau.NewKeyer(key)
	if err != nil {
		t.Fatal(err)
	}
	want := k.Key("acme", "00u1")
	clear(key) // a caller may wipe what it read
	if k.Key("acme", "00u1") != want {
		t.Error("the keyer depends on memory of its caller")
	}
}

func FuzzParseUserKey(f *testing.F) {
	f.Add("jbXTdYUbIpNk_pfyA5HOmA")
	f.Add("jbXTdYUbIpNk_pfyA5HOmB") // the last character has bits that belong to no key
	f.Add("jbXTdYUbIpNk/pfyA5HOmA")
	f.Add("jbXTdYUbIpNk_pfyA5HOmA==")
	f.Add("jbXTdYUbIpNk_pfyA5HOm")
	f.Add("\njbXTdYUbIpNk_pfyA5HOmA")
	f.Add("jbXTdYUbIpNk_\r\rfyA5HOm") // 22 characters, of which the decoder takes 20
	f.Fuzz(func(t *testing.T, s string) {
		k, err := amau.ParseUserKey(s)
		if err != nil {
			if k != (amau.UserKey{}) || !errors.Is(err, amau.ErrBadInput) {
				t.Fatalf("%q: %v, %v", s, k, err)
			}
			return
		}
		if k.String() != s || len(s) != 22 {
			t.Fatalf("%q is written %q", s, k)
		}
	})
}

func drawUserKey(t *rapid.T, label string) amau.UserKey {
	return amau.UserKey(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

func sign(n int) int { return min(max(n, -1), 1) }

func TestCompareUserKeysIsTextOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawUserKey(t, "a"), drawUserKey(t, "b")
		copy(b[:rapid.IntRange(0, 16).Draw(t, "bytes that are equal")], a[:])
		if got, want := sign(amau.CompareUserKeys(a, b)), strings.Compare(a.String(), b.String()); got != want {
			t.Fatalf("%s and %s: %d, want %d", a, b, got, want)
		}
		if k, err := amau.ParseUserKey(a.String()); err != nil || k != a {
			t.Fatalf("%s is read as %s, %v", a, k, err)
		}
	})
}

func BenchmarkKeyer(b *testing.B) {
	k := keyer(b, passphrase)
	b.ReportAllocs()
	for b.Loop() {
		k.Key("default", alice)
	}
}

func BenchmarkCompareUserKeys(b *testing.B) {
	k := keyer(b, passphrase)
	x, y := k.Key("default", alice), k.Key("default", bob)
	b.ReportAllocs()
	for b.Loop() {
		amau.CompareUserKeys(x, y)
	}
}
