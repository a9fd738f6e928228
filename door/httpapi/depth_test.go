package httpapi_test

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/httpapi"
)

// nested is JSON of so many levels, with what is no level in the innermost.
func nested(levels int) string {
	const inner = `"[{\"[[[[\\"`
	return strings.Repeat(`[{"[{":`, levels/2) + strings.Repeat("[", levels%2) + inner + strings.Repeat("]", levels%2) + strings.Repeat("}]", levels/2)
}

func TestJSONHas64LevelsAndNotOneMore(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.must(202, "POST", "orchestrators/Waits/one", "")
	for what, path := range map[string]string{"start": "orchestrators/Waits", "raise": "instances/one/raiseEvent/other", "signal": "entities/Note/k?op=x"} {
		for _, levels := range []int{1, 64} {
			if got := a.do("POST", path, nested(levels)); got.code != 202 {
				t.Errorf("%s with %d levels: %d %s", what, levels, got.code, got)
			}
		}
		for _, levels := range []int{65, 5000, 50000} {
			if got := a.do("POST", path, nested(levels)); got.code != 400 || !strings.Contains(got.String(), "64 levels") {
				t.Errorf("%s with %d levels: %d %s", what, levels, got.code, got)
			}
		}
	}
	if got := a.do("POST", "orchestrators/Waits", `[`+strings.Repeat(`[],{},`, 100)+`[]]`); got.code != 202 {
		t.Errorf("what is side by side counts as levels: %d %s", got.code, got)
	}
}
