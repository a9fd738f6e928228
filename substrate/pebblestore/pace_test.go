package pebblestore

import (
	"testing"
	"time"
)

func TestCompactionRestsLessTheFurtherBehindItIs(t *testing.T) {
	const worked = time.Millisecond
	if d := restAfter(worked, compactAt); d != restPerWork*worked {
		t.Errorf("with as many layers as begin a compaction it rests %v", d)
	}
	last := restAfter(worked, 0)
	for layers := int32(1); layers <= stopLayers; layers++ {
		d := restAfter(worked, layers)
		if d > last {
			t.Errorf("with %d layers it rests %v, with one less %v", layers, d, last)
		}
		last = d
	}
	if d := restAfter(worked, maxLayers-1); d != 0 {
		t.Errorf("just before it holds up who writes, it rests %v", d)
	}
	if d := restAfter(time.Hour, 0); d != maxRest {
		t.Errorf("after an hour it rests %v", d)
	}
}

func TestRestEndsWithTheStore(t *testing.T) {
	quit := make(chan struct{})
	p := pacer{quit: quit}
	close(quit)
	ended := make(chan struct{})
	go func() {
		for range 10_000 { // 50 s of rest
			p.rest(time.Hour)
		}
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("a compaction goes on resting when the store is closed")
	}
}
