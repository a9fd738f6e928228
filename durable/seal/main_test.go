package seal_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	goleak.VerifyTestMain(m)
}
