package bench

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/internal/replaycheck"
)

// TestMain holds that the tests, and what they have closed, leave no goroutine behind.
func TestMain(m *testing.M) {
	replaycheck.InTests()
	goleak.VerifyTestMain(m)
}
