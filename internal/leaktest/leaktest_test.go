package leaktest

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

func TestMain(m *testing.M) { Main(m) }

func TestOnlyWhatAStoreThatDiedHasLeftIsAllowed(t *testing.T) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: faultfs.New(), Dir: "/store", MemoryBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s.Abandon()
	if err := goleak.Find(left.options...); err == nil {
		t.Fatal("the store has left nothing, so that nothing is shown")
	}
	if err := onlyTheDead(patience); err != nil {
		t.Errorf("of the store: %v", err)
	}
	if err := goleak.Find(left.options...); err != nil {
		t.Errorf("later tests are told of the store: %v", err)
	}
	end := make(chan struct{})
	go func() { <-end }()
	if err := onlyTheDead(0); err == nil || !strings.Contains(err.Error(), t.Name()) {
		t.Errorf("of a goroutine of the test's own: %v", err)
	}
	close(end)
}
