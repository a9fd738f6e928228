package kind_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/internal/kind"
)

func TestAnErrorIsOfItsKindAndNamesThatOnce(t *testing.T) {
	lower, upper, other := errors.New("disk is full"), errors.New("disk is full"), errors.New("is damaged")
	cause := errors.New("no space left")
	for _, c := range []struct {
		err  error
		kind error
		want string
	}{
		{fmt.Errorf("open store: %w: %w", lower, cause), upper, "open store: disk is full: no space left"},
		{fmt.Errorf("open store: %w: %w", lower, cause), other, "is damaged: open store: disk is full: no space left"},
		{fmt.Errorf("open store: %w: %w", upper, cause), upper, "open store: disk is full: no space left"},
	} {
		got := kind.Of(c.kind, c.err)
		if got.Error() != c.want || !errors.Is(got, c.kind) || !errors.Is(got, cause) || errors.Is(c.err, lower) != errors.Is(got, lower) {
			t.Errorf("%v of %v: %v", c.err, c.kind, got)
		}
	}
}
