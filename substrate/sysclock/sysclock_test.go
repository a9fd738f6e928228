package sysclock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAfterFuncRunsOnTimeUnlessStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		ran := make(chan time.Duration, 2)
		c.AfterFunc(time.Hour, func() { ran <- c.Mono() })
		stop := c.AfterFunc(time.Minute, func() { ran <- 0 })
		stop()
		if got := <-ran; got != time.Hour {
			t.Fatalf("ran at %v", got)
		}
	})
}

func TestWallCarriesNoMonotonicReading(t *testing.T) {
	if w := New().Wall(); w != w.Round(0) {
		t.Fatal("the wall time carries a monotonic reading")
	}
}
