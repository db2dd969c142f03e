package statement

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// MaxCount is the largest number that a count may be. There are fewer people.
const MaxCount = 1_000_000_000_000

// The forms of whole numbers: without separators, and with one kind between all thousands.
// Decimals must be zeros, one or two of them, so that they cannot be thousands.
var (
	plainCount   = lazily(`^(\d{1,15})(?:[.,]0{1,2})?$`)
	groupedCount = lazily(`^\d{1,3}(?:(?:,\d{3})+(?:\.0{1,2})?|(?:\.\d{3})+(?:,0{1,2})?|(?:['’_]\d{3})+(?:[.,]0{1,2})?|(?: \d{3})+(?:[.,]0{1,2})?)$`)
	decimals     = lazily(`[.,]0{1,2}$`)
)

// lazily returns an expression that is compiled when it is first used.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// ParseCount reads a number of users: 83000, and with thousands separated by commas, dots,
// apostrophes, underscores or spaces, 83,000. Three digits after one dot or comma are
// thousands: nobody counts thousandths of users. It fails with [amau.ErrBadInput] on fractions,
// negative numbers, words, and what is above [MaxCount].
func ParseCount(s string) (int64, error) {
	text := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) { // no line ends: two lines are two numbers
			return ' '
		}
		return r
	}, strings.TrimFunc(s, isSpace))
	var digits string
	switch {
	case text == "":
		return 0, bad("there is no number; %s", HowTo)
	case plainCount().MatchString(text):
		digits = plainCount().FindStringSubmatch(text)[1]
	case groupedCount().MatchString(text):
		digits = decimals().ReplaceAllString(text, "")
		digits = strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, digits)
	default:
		return 0, bad("%q is not a count of users; write a whole number, like 83000 or \"83,000\"", short(s))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > MaxCount {
		return 0, bad("%q is too large for a count of users", short(s))
	}
	return n, nil
}
