package worker

import (
	"context"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func BenchmarkTrivialActivities(b *testing.B) {
	w, d := serve(b, nil, activity("trivial", func(context.Context, []byte) ([]byte, *model.Failure) { return nil, nil }))
	const batch = 100
	var items engine.Items
	for i := range batch {
		items.Activities = append(items.Activities, activityItem("trivial", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		w.Offer(items)
		for range batch {
			<-d.activities
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/activity")
}
