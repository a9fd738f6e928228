package terminal

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

func TestATextIsOneLineOfWhatCanBeSeen(t *testing.T) {
	for text, want := range map[string]string{
		"plain é 漢字 👩‍👧": "plain é 漢字 👩‍👧", "a\x1b[31mb": `a\x1b[31mb`, "a\nb\r\tc": `a\nb\r\tc`, "\u009b2J\x7f": `\u009b2J\x7f`,
		"\u202eevil\u2066": `\u202eevil\u2066`, "a\u2028b\u2029c\ufeff": `a\u2028b\u2029c\ufeff`, "\xff\xc3": `\xff\xc3`, "": "", `\x1b`: `\x1b`, "\ufffd": "\ufffd",
	} {
		if got := string(Text(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestLinesOfATextAreIndentedBehindTheFirst(t *testing.T) {
	if got := Lines("a\r\nstatus: \x1b[1mok\n\n\tb\n", "  "); got != "a\n  status: \\x1b[1mok\n\n      b" {
		t.Errorf("%q", got)
	}
}

func TestPrintingMakesEachArgumentSafeHoweverItIsFormatted(t *testing.T) {
	var b strings.Builder
	_, _ = Printf(&b, "%s|%-6s|%v|%q|%d|%*d|%s|%x\n", "a\n", "b", errors.New("c\x1b"), "d\n", 5, 3, 7, Safe("e\n f"), []byte{1})
	_, _ = Println(&b, "g\u009b", 1)
	if want := "a\\n|b     |c\\x1b|\"d\\n\"|5|  7|e\n f|01\ng\\u009b 1\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func FuzzTextIsSafeAndStaysAsItIs(f *testing.F) {
	for _, s := range []string{"a\x1b[0m", "\u202e\xff", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fuzztest.Bounded(t, len(s), 64, func() {
			once := string(Text(s))
			if !utf8.ValidString(once) || strings.ContainsFunc(once, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
				t.Fatalf("%q", once)
			}
			if again := string(Text(once)); again != once {
				t.Fatalf("%q, and then %q", once, again)
			}
			// The indent shows that a line is none of the program's.
			for i, line := range strings.Split(string(Lines(s, "> ")), "\n") {
				if i > 0 && line != "" && !strings.HasPrefix(line, "> ") || !Clean(line) {
					t.Fatalf("line %q of %q", line, s)
				}
			}
			text, err := json.MarshalIndent(map[string]string{"k": s}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, text)
		})
	})
}

// sameJSON holds that a text is safe then, and means the same.
func sameJSON(t *testing.T, text []byte) {
	var before, after any
	safe := JSON(text)
	if err := errors.Join(json.Unmarshal(text, &before), json.Unmarshal(safe, &after)); err != nil || !reflect.DeepEqual(before, after) {
		t.Fatalf("%s is not %s: %v", safe, text, err)
	}
	if !Clean(strings.ReplaceAll(string(safe), "\n", "")) {
		t.Fatalf("%q", safe)
	}
}

func TestJSONHasNothingThatATerminalActsOn(t *testing.T) {
	sameJSON(t, []byte("{\n  \"a\u009b\": \"\u202e\x7f\xff\"\n}\n"))
}
