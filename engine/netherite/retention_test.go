package netherite_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// end makes an orchestration that nobody runs end as Terminated.
func endByHand(t *testing.T, e *netherite.Engine, name, id string) {
	t.Helper()
	ctx := t.Context()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := e.Terminate(ctx, engine.TerminateRequest{Instance: id}); err != nil {
		t.Fatal(err)
	}
}

func left(t *testing.T, e *netherite.Engine) (ids []string) {
	t.Helper()
	p, err := e.Query(t.Context(), engine.Query{PageSize: 1_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range p.Instances {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	return ids
}

func TestOfTheRulesOfRetentionTheFirstThatFitsCounts(t *testing.T) {
	clock := newSkewClock()
	e := openHub(t, newMemory(2), func(o *netherite.Options) {
		o.Clock, o.Retention = clock, 10*time.Hour
		o.RetentionRules = []netherite.RetentionRule{
			{Names: []string{"Audit*"}, Keep: -1},
			{Statuses: []model.Status{model.Terminated}, Names: []string{"Tour", "Trip"}, Keep: time.Hour},
			{Statuses: []model.Status{model.Failed}, Keep: 0},
			{Names: []string{"Tour"}, Keep: 100 * time.Hour},
		}
	})
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	startAndWait(t, e, "Hello5", 1, 1) // Completed: kept for ten hours
	done := left(t, e)
	for _, name := range []string{"Audit", "AuditLog", "Tour", "Trip", "Other"} {
		endByHand(t, e, name, name)
	}
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: "alive", Name: "Tour"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  []string
	}{
		{30 * time.Minute, append([]string{"Audit", "AuditLog", "Other", "Tour", "Trip", "alive"}, done...)},
		{time.Hour, append([]string{"Audit", "AuditLog", "Other", "alive"}, done...)},
		{10 * time.Hour, []string{"Audit", "AuditLog", "alive"}},
		{1_000 * time.Hour, []string{"Audit", "AuditLog", "alive"}},
	} {
		clock.skew.Add(int64(step.after))
		e.Retire(t.Context())
		slices.Sort(step.want)
		if got := left(t, e); !slices.Equal(got, step.want) {
			t.Errorf("after %v more there are %q, want %q", step.after, got, step.want)
		}
	}
}

func TestARuleOfRetentionThatCanNeverFitIsRefused(t *testing.T) {
	for name, rule := range map[string]netherite.RetentionRule{
		"a status that is no end": {Statuses: []model.Status{model.Running}},
		"an empty name":           {Names: []string{""}},
	} {
		_, err := netherite.Open(netherite.Options{Storage: newMemory(2), RetentionRules: []netherite.RetentionRule{rule}})
		if !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := netherite.Open(netherite.Options{Storage: newMemory(2), RetentionRate: -1}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a negative rate: %v", err)
	}
}

func TestRetentionPurgesNoFasterThanItsRate(t *testing.T) {
	const instances, rate = 100, 20
	synctest.Test(t, func(t *testing.T) {
		clock := newSkewClock()
		e := openHub(t, newMemory(2), func(o *netherite.Options) {
			o.Clock, o.Retention, o.RetentionRate = clock, 24*time.Hour, rate
		})
		for i := range instances {
			endByHand(t, e, "Nobody", fmt.Sprintf("i%02d", i))
		}
		clock.skew.Add(int64(48 * time.Hour))
		began := time.Now()
		e.Retire(t.Context())
		took := time.Since(began)
		if got := left(t, e); len(got) != 0 {
			t.Errorf("%d are left", len(got))
		}
		// After the last slice there is nothing to wait for.
		if least, most := (instances-rate)*time.Second/rate, instances*time.Second/rate+time.Second; took < least || took > most {
			t.Errorf("%d were purged in %v, want %v to %v", instances, took, least, most)
		}
	})
}
