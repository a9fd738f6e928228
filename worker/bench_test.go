package worker

import (
	"context"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/alloctest"
	"github.com/netherite-go/netherite/model"
)

// activityGroup is 100 activities that do nothing, handed over together.
var activityGroup = alloctest.Group{Name: "Activities", Ops: []alloctest.Op{{Name: "trivial=100", Slack: 0.05, Setup: func(tb testing.TB) func() {
	w, d := serve(tb, nil, activity("trivial", func(context.Context, []byte) ([]byte, *model.Failure) { return nil, nil }))
	const batch = 100
	var items engine.Items
	for i := range batch {
		items.Activities = append(items.Activities, activityItem("trivial", i))
	}
	alloctest.Report(tb, func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/activity")
	})
	return func() {
		w.Offer(items)
		for range batch {
			<-d.activities
		}
	}
}}}}

func BenchmarkActivities(b *testing.B) { activityGroup.Bench(b) }

func TestAllocations(t *testing.T) { alloctest.Check(t, activityGroup) }
