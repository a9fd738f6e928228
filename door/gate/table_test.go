package gate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/internal/rolestest"
)

// TestEachOperationNeedsWhatThePageOfRolesSays: the page is what people read, and the
// one place beside the table that says what each operation needs.
func TestEachOperationNeedsWhatThePageOfRolesSays(t *testing.T) {
	has := map[string]rolestest.Row{}
	for operation, n := range Needs {
		has[operation] = rolestest.Row{Role: n.Role.String(), Stream: n.Stream, Audit: n.Audit}
	}
	if d := cmp.Diff(rolestest.Page(t, "../.."), has); d != "" {
		t.Errorf("docs/reference-roles.md (-) and Needs (+) differ:\n%s", d)
	}
}
