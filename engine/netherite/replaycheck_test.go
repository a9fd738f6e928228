package netherite_test

import (
	"log/slog"
	"testing"

	"github.com/netherite-go/netherite/engine/netherite"
)

// What test programs turn on holds for each hub that is not about memory.
func TestReplayIsCheckedInWholeTestPrograms(t *testing.T) {
	checks := func(set func(*netherite.Options)) bool {
		o := netherite.Options{Storage: newMemory(1), Logger: slog.New(slog.DiscardHandler)}
		set(&o)
		e, err := netherite.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close(t.Context())
		return e.ChecksReplay()
	}
	if checks(func(*netherite.Options) {}) {
		t.Error("it is on though nobody has asked for it")
	}
	t.Setenv("NETHERITE_TEST_REPLAY", "on")
	for _, c := range []struct {
		what string
		set  func(*netherite.Options)
		want bool
	}{
		{"by default", func(*netherite.Options) {}, true},
		{"with a memory limit", func(o *netherite.Options) { o.Memory = 64 << 20 }, false},
		{"with an eviction after each batch", func(o *netherite.Options) { o.EvictAlways = true }, true},
	} {
		if got := checks(c.set); got != c.want {
			t.Errorf("%s: %t", c.what, got)
		}
	}
}
