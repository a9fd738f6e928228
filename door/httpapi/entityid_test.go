package httpapi_test

import (
	"testing"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
)

// TestATypeWithAnAtSignIsNoOtherEntitys: the ID of an entity is @type@key, so such a
// type would be read as a shorter one and a longer key.
func TestATypeWithAnAtSignIsNoOtherEntitys(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.must(202, "POST", "entities/tally/x@alice?op=add", "5")
	if _, err := a.hub.Engine().Get(t.Context(), "@tally@x@alice", engine.GetOptions{Fresh: true}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"tally@x/alice", "Tally%40x/alice", "@tally/x@alice", "tally@/alice"} {
		a.must(400, "POST", "entities/"+path+"?op=add", "1")
		a.must(400, "GET", "entities/"+path, "")
		a.must(400, "DELETE", "entities/"+path, "")
	}
	a.must(400, "GET", "entities/tally@x", "")
	if got := a.must(200, "GET", "entities/tally/x@alice", ""); got.String() != "5" {
		t.Errorf("the entity whose ID would be the same has %s, want 5", got)
	}
}
