package rolestest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEachRowOfThePageIsRead(t *testing.T) {
	got, err := parse("# Title\n| operation | role | stream | audit log |\n|---|---|---|---|\n| `/S/M` | `reader` | yes | |\n| `GET x/{a}` | `client` | | yes |\n" +
		adminHeading + "\n| `GET /x` | `admin` | | |\n")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]Row{"/S/M": {"reader", true, false}, "GET x/{a}": {"client", false, true}, "admin GET /x": {"admin", false, false}}, got); d != "" {
		t.Error(d)
	}
	for _, page := range []string{"| `/S/M` | `reader` |", "| `/S/M` | `reader` | | |\n| `/S/M` | `admin` | | |"} {
		if _, err := parse(page); err == nil {
			t.Errorf("%s is read", page)
		}
	}
}
