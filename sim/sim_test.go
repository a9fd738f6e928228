package sim

import (
	"testing"
	"time"
)

func BenchmarkSeed(b *testing.B) {
	events := 0
	began := time.Now()
	for i := range b.N {
		r := Run(uint64(i%30+1), Options{})
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		events += r.Events
	}
	b.ReportMetric(float64(events)/float64(b.N), "events/op")
	b.ReportMetric(float64(time.Since(began).Milliseconds())/float64(b.N), "ms/op")
}
