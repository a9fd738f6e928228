package filelog_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds that the tests, and what they have closed, leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
