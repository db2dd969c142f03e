package okta

import (
	"unicode/utf16"
	"unicode/utf8"
)

// unescape returns the text of a well-formed string's content. It allocates only when there is
// an escape. Half of a surrogate pair becomes U+FFFD, as in encoding/json.
func unescape(content []byte) []byte {
	plain := 0
	for plain < len(content) && content[plain] != '\\' {
		plain++
	}
	if plain == len(content) {
		return content
	}
	out := append(make([]byte, 0, len(content)), content[:plain]...)
	for i := plain; i < len(content); {
		if content[i] != '\\' {
			out = append(out, content[i])
			i++
			continue
		}
		c := content[i+1]
		i += 2
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := unit(content[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if i+6 <= len(content) && content[i] == '\\' && content[i+1] == 'u' {
					pair = utf16.DecodeRune(r, unit(content[i+2:]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return out
}

// unit returns the UTF-16 unit that the first four hexadecimal digits of b write.
func unit(b []byte) rune {
	return hexDigit(b[0])<<12 | hexDigit(b[1])<<8 | hexDigit(b[2])<<4 | hexDigit(b[3])
}
