package shellword_test

import (
	"os/exec"
	"testing"

	"github.com/netherite-go/netherite/internal/shellword"
)

func TestAShellReadsWhatWasQuoted(t *testing.T) {
	for _, word := range []string{"", "a", "/var/lib/my hub", "it's", "$HOME", "a;b", "~", "*", "-x", "ä", "\\", "\"", "a\nb", "#"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellword.Quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q as %s is read as %q: %v", word, shellword.Quote(word), out, err)
		}
	}
	if shellword.Quote("/srv/hub-1") != "/srv/hub-1" {
		t.Error("what needs no quotes has them")
	}
}
