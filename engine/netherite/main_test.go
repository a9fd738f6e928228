package netherite_test

import (
	"testing"

	"github.com/netherite-go/netherite/internal/leaktest"
)

// TestMain holds that the tests, and what they have closed, leave no goroutine behind.
func TestMain(m *testing.M) { leaktest.Main(m) }
