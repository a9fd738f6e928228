package netherite

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// register reports a hub's figures as observable metrics: they cost nothing
// until somebody collects them.
func register(p metric.MeterProvider, attrs []attribute.KeyValue, h *Hub) (metric.Registration, error) {
	with := metric.WithAttributeSet(attribute.NewSet(attrs...))
	m := p.Meter("github.com/netherite-go/netherite")
	figures := []struct {
		name, unit, help string
		total            bool // only ever grows
		read             func(*Stats) int64
	}{
		{"netherite.records", "{record}", "records appended to the commit log", true, func(s *Stats) int64 { return s.Records }},
		{"netherite.commits", "{commit}", "group commits", true, func(s *Stats) int64 { return s.Commits }},
		{"netherite.log.syncs", "{sync}", "syncs of the commit log", true, func(s *Stats) int64 { return s.Log.Syncs }},
		{"netherite.log.bytes", "By", "bytes appended to the commit log", true, func(s *Stats) int64 { return s.Log.GroupBytes }},
		{"netherite.checkpoints", "{checkpoint}", "checkpoints of single partitions", true, func(s *Stats) int64 { return s.Checkpoints }},
		{"netherite.checkpoints.complete", "{checkpoint}", "times that the store caught up with all partitions", true, func(s *Stats) int64 { return s.CaughtUp }},
		{"netherite.requests.turned_away", "{request}", "requests refused for lack of memory or disk", true, func(s *Stats) int64 { return s.TurnedAway }},
		{"netherite.disk.full", "", "1 while the disk of the commit log or of the state store is full", false, func(s *Stats) int64 { return flag(s.LogFull || s.StoreFull) }},
		{"netherite.disk.low", "", "1 while the disk of the commit log has too little space for new instances", false, func(s *Stats) int64 { return flag(s.LogLow) }},
		{"netherite.failures", "{failure}", "failures of log or store that were recovered from", true, func(s *Stats) int64 { return s.Failures }},
		{"netherite.panics", "{panic}", "panics of the core, each of which set something aside", true, func(s *Stats) int64 { return s.Panics }},
		{"netherite.partitions.parked", "{partition}", "partitions that do not run", false, func(s *Stats) int64 { return s.Parked }},
		{"netherite.activities.offered_again", "{activity}", "activities whose worker was lost or gave them back, which may run twice", true, func(s *Stats) int64 { return s.OfferedAgain }},
		{"netherite.retired", "{instance}", "ended instances purged because their retention was over", true, func(s *Stats) int64 { return s.Retired }},
		{"netherite.state.bytes", "By", "instances in memory", false, func(s *Stats) int64 { return s.StateBytes }},
		{"netherite.steps", "{item}", "steps with workers", false, func(s *Stats) int64 { return s.Steps }},
		{"netherite.activities", "{item}", "activities with workers", false, func(s *Stats) int64 { return s.Activities }},
	}
	instruments := make([]metric.Observable, len(figures))
	observers := make([]metric.Int64Observable, len(figures))
	for i, f := range figures {
		var o metric.Int64Observable
		var err error
		if f.total {
			o, err = m.Int64ObservableCounter(f.name, metric.WithUnit(f.unit), metric.WithDescription(f.help))
		} else {
			o, err = m.Int64ObservableGauge(f.name, metric.WithUnit(f.unit), metric.WithDescription(f.help))
		}
		if err != nil {
			return nil, fmt.Errorf("register metric %s: %w", f.name, err)
		}
		instruments[i], observers[i] = o, o
	}
	return m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := h.Stats()
		for i, f := range figures {
			o.ObserveInt64(observers[i], f.read(&s), with)
		}
		return nil
	}, instruments...)
}

// flag is a figure of what is so or not.
func flag(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
