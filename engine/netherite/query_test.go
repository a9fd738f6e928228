package netherite_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

func TestQueryPagesListEachInstanceOnce(t *testing.T) {
	e := openHub(t, newMemory(4))
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	startAndWait(t, e, "Hello5", 50, 8)
	ctx := t.Context()
	for n := range 30 {
		id := fmt.Sprintf("waiting-%d", n)
		if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Unknown", Tags: map[string]string{"n": fmt.Sprint(n % 3)}}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			name string
			q    engine.Query
			want int
		}{
			{"all", engine.Query{}, 80},
			{"completed", engine.Query{Statuses: []model.Status{model.Completed}}, 50},
			{"name", engine.Query{Names: []string{"Unknown"}}, 30},
			{"tag", engine.Query{Tags: map[string]string{"n": "1"}}, 10},
			{"prefix", engine.Query{IDPrefix: "waiting-1"}, 11},
			{"future", engine.Query{CreatedFrom: model.TimeOf(time.Now().Add(time.Hour))}, 0},
			{"entities", engine.Query{Entities: true}, 0},
		} {
			c.q.PageSize = 7
			seen := map[string]bool{}
			for {
				p, err := e.Query(ctx, c.q)
				if err != nil {
					t.Fatalf("%s, %s: %v", when, c.name, err)
				}
				if len(p.Instances) > 7 {
					t.Errorf("%s, %s: page of %d", when, c.name, len(p.Instances))
				}
				for _, i := range p.Instances {
					if seen[i.ID] {
						t.Errorf("%s, %s: %s twice", when, c.name, i.ID)
					}
					seen[i.ID] = true
				}
				if c.q.Token = p.Token; p.Token == "" {
					break
				}
			}
			if len(seen) != c.want {
				t.Errorf("%s, %s: %d instances, want %d", when, c.name, len(seen), c.want)
			}
		}
	}
	check("from memory")
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	check("from the store")
}

func TestContinuationTokenIsChecked(t *testing.T) {
	e := openHub(t, newMemory(2))
	ctx := t.Context()
	for n := range 5 {
		if _, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint(n), Name: "Unknown"}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := e.Query(ctx, engine.Query{PageSize: 2})
	if err != nil || p.Token == "" {
		t.Fatal(p, err)
	}
	for _, q := range []engine.Query{
		{Token: "garbage!"}, {Token: "AAAA"}, {Token: p.Token, IDPrefix: "x"}, {PageSize: 1001}, {PageSize: -1}, {Statuses: []model.Status{99}},
	} {
		if _, err := e.Query(ctx, q); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestPurgeWhereDeletesEndedInstancesInSlices(t *testing.T) {
	e := openHub(t, newMemory(4))
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	startAndWait(t, e, "Hello5", 700, 16)
	ctx := t.Context()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "alive", Name: "Unknown"}); err != nil {
		t.Fatal(err)
	}
	deleted, calls := 0, 0
	for token := ""; ; calls++ {
		n, next, err := e.PurgeWhere(ctx, engine.Query{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		deleted += n
		if token = next; token == "" {
			break
		}
	}
	if deleted != 700 || calls == 0 {
		t.Errorf("deleted %d in %d more calls", deleted, calls)
	}
	p, err := e.Query(ctx, engine.Query{})
	if err != nil || len(p.Instances) != 1 || p.Instances[0].ID != "alive" {
		t.Errorf("left over: %v, %v", p.Instances, err)
	}
}

func TestRetentionPurgesWhatEndedLongAgo(t *testing.T) {
	clock := newSkewClock()
	e := openHub(t, newMemory(2), func(o *netherite.Options) {
		o.Clock = clock
		o.Retention = time.Hour
	})
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	startAndWait(t, e, "Hello5", 20, 4)
	ctx := t.Context()
	e.Retire(ctx)
	if p, err := e.Query(ctx, engine.Query{}); err != nil || len(p.Instances) != 20 {
		t.Fatalf("too early: %d left, %v", len(p.Instances), err)
	}
	clock.skew.Add(int64(2 * time.Hour))
	e.Retire(ctx)
	if p, err := e.Query(ctx, engine.Query{}); err != nil || len(p.Instances) != 0 {
		t.Errorf("%d left, %v", len(p.Instances), err)
	}
	if s := e.Stats(); s.Retired != 20 {
		t.Errorf("retired %d", s.Retired)
	}
}
