// Package terminal writes texts that others chose, such as the names of instances and
// what workers fail with, so that they can neither steer the terminal that shows them
// nor look like something that the program says.
package terminal

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe is a text that can be shown as it is: Text or Lines has made it.
type Safe string

// String implements fmt.Stringer.
func (s Safe) String() string { return string(s) }

// steers reports whether a terminal acts on a character in the place of showing it:
// controls, those that end a line, and those that turn the direction of writing.
func steers(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\uFEFF'
}

// Text is a text on one line. What a terminal would act on, and bytes that are no
// UTF-8, are written as in a string of Go: \n, \x1b, \u202e, \xff. A text that has been
// made safe stays as it is.
func Text(s string) Safe {
	if Clean(s) {
		return Safe(s)
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case steers(r) && r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case steers(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return Safe(b.String())
}

// Clean reports whether a text can be shown as it is.
func Clean(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, steers) }

// Lines is a text that may have several lines, as the message of a failure. Those behind
// the first begin with indent, so that none looks like a line of the program's own; tabs
// are spaces.
func Lines(s, indent string) Safe {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
			if line != "" {
				b.WriteString(indent)
			}
		}
		b.WriteString(string(Text(strings.ReplaceAll(line, "\t", "    "))))
	}
	return Safe(b.String())
}

// JSON is a JSON text in which no string has a character that a terminal acts on: they
// are written as escapes, which mean the same.
func JSON(text []byte) []byte {
	if Clean(strings.ReplaceAll(string(text), "\n", "")) {
		return text
	}
	b := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, `\ufffd`...)
		case r >= ' ' && steers(r): // below are lines and indentation: strings have no such characters
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return b
}

// Printf is fmt.Fprintf for a terminal: of the arguments, each is one line, unless it is
// made of lines by Lines.
func Printf(w io.Writer, format string, args ...any) (int, error) {
	if false {
		_ = fmt.Sprintf(format, args...) // has go vet check the calls
	}
	return fmt.Fprintf(w, format, shown(args)...)
}

// Println is fmt.Fprintln in the same way.
func Println(w io.Writer, args ...any) (int, error) { return fmt.Fprintln(w, shown(args)...) }

func shown(args []any) []any {
	list := make([]any, len(args))
	for i, a := range args {
		switch a.(type) {
		case Safe, bool, int, int32, int64, uint64, float64:
			list[i] = a // which no text is in, and a format may take a width from
		default:
			list[i] = argument{a}
		}
	}
	return list
}

// argument formats a value as it would be formatted, on one safe line.
type argument struct{ value any }

// Format implements fmt.Formatter.
func (a argument) Format(f fmt.State, verb rune) {
	_, _ = io.WriteString(f, string(Text(fmt.Sprintf(fmt.FormatString(f, verb), a.value))))
}
