package testtools

import (
	"iter"
	"os"
	"testing"
	"time"
)

// Rounds numbers the rounds of a test that can go on for long: short of them in an ordinary run, and with AMAU_SOAK set to a
// time, as make soak does, at least long of them and for at least that time. Such a test is named TestSoak…, and logs what it
// did in the end.
func Rounds(t testing.TB, short, long int) iter.Seq[int] {
	t.Helper()
	least := time.Duration(0)
	if value := os.Getenv("AMAU_SOAK"); value != "" {
		var err error
		if least, err = time.ParseDuration(value); err != nil {
			t.Fatalf("AMAU_SOAK is %q; it must be a time like 10m", value)
		}
		short = long
	}
	end := time.Now().Add(least)
	return func(yield func(int) bool) {
		for round := 0; round < short || time.Now().Before(end); round++ {
			if t.Failed() || !yield(round) {
				return
			}
		}
	}
}
