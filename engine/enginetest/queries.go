package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var queries = []scenario{
	{name: "T34_QueryOrchestrationInstancesByDateRange", run: queryByDate},
	{name: "T35_QueryOrchestrationInstanceByRuntimeStatus", run: queryByStatus},
	{name: "T36_NoInstancesCreated", run: func(s *scene) { want(s, "instances", len(s.list(engine.Query{})), 0) }},
	{name: "T37_PurgeInstanceHistoryForTimePeriodDeletePartially", run: purgePartially},
	{name: "T38_SingleServiceQuery", run: queryWithoutWorker},
	{name: "QueryByNameAndTagsInPages", run: queryInPages},
	{name: "QueryInPagesOfBytes", run: queryInPagesOfBytes},
	{name: "TagsAreInheritedAndQueried", run: tagsInherited},
	{name: "TimedPurge", run: timedPurge},
	{name: "PurgeOfMoreThanAThousand", run: purgeMany, heavy: true},
	{name: "PurgeOfALivingInstanceDeletesNothing", run: purgeLiving},
	{name: "RecursivePurgeTakesChildren", run: purgeChildren},
}

// three makes three ended instances an hour apart and returns when the one in
// the middle was made.
func (s *scene) three(name string) (middle model.Time) {
	s.Helper()
	for i := range 3 {
		run := start(s, helloOnly, fmt.Sprint(name, i), "World")
		result(s, run, "Hello, World!")
		if i == 1 {
			middle = s.get(run.ID()).Created
		}
		s.advance(time.Hour)
	}
	return middle
}

// ids lists the IDs of what matches.
func (s *scene) ids(q engine.Query) []string {
	s.Helper()
	var all []string
	for _, inst := range s.list(q) {
		all = append(all, inst.ID)
	}
	slices.Sort(all)
	return all
}

func (s *scene) found(what string, q engine.Query, names ...string) {
	s.Helper()
	ids := make([]string, len(names))
	for i, n := range names {
		ids[i] = s.id(n)
	}
	want(s, what, fmt.Sprint(s.ids(q)), fmt.Sprint(ids))
}

func queryByDate(s *scene) {
	at := s.three("hello-")
	half := 30 * time.Minute
	s.found("all", engine.Query{}, "hello-0", "hello-1", "hello-2")
	s.found("made in the window", engine.Query{CreatedFrom: at.Add(-half), CreatedTo: at.Add(half)}, "hello-1")
	s.found("made from the middle on", engine.Query{CreatedFrom: at}, "hello-1", "hello-2")
	s.found("made before the middle", engine.Query{CreatedTo: at}, "hello-0")
	s.found("updated in the window", engine.Query{UpdatedFrom: at.Add(-half), UpdatedTo: at.Add(half)}, "hello-1")
	s.found("with the prefix", engine.Query{IDPrefix: s.id("hello-1")}, "hello-1")
	s.found("made in a window of nothing", engine.Query{CreatedFrom: at.Add(half), CreatedTo: at.Add(half + 1)})
}

func queryByStatus(s *scene) {
	count := func(status model.Status) int { return len(s.list(engine.Query{Statuses: []model.Status{status}})) }
	run := start(s, counter, "actor", 0)
	_, err := run.WaitStarted(s.ctx)
	s.ok(err)
	want(s, "running", count(model.Running), 1)
	want(s, "completed", count(model.Completed), 0)
	s.raise(run.ID(), "end")
	result(s, run, 0)
	want(s, "running", count(model.Running), 0)
	want(s, "completed", count(model.Completed), 1)
}

func purgePartially(s *scene) {
	at := s.three("hello-")
	n, err := durable.Purge(s.ctx, s, engine.Query{CreatedTo: at.Add(-time.Minute)})
	s.ok(err)
	want(s, "purged", n, 1)
	_, err = s.engine.Get(s.ctx, s.id("hello-0"), engine.GetOptions{})
	want(s, "status of the first is gone", errors.Is(err, engine.ErrNotFound), true)
	_, err = s.engine.History(s.ctx, s.id("hello-0"))
	want(s, "history of the first is gone", errors.Is(err, engine.ErrNotFound), true)
	for _, name := range []string{"hello-1", "hello-2"} {
		want(s, "status of "+name, s.get(s.id(name)).Status, model.Completed)
		history, err := s.engine.History(s.ctx, s.id(name))
		s.ok(err)
		want(s, "history of "+name+" is empty", len(history) == 0, false)
	}
}

func queryWithoutWorker(s *scene) {
	result(s, start(s, helloOnly, "hello", "World"), "Hello, World!")
	s.close()
	s.open()
	s.found("all", engine.Query{}, "hello")
	start(s, helloOnly, "waits", "World")
	s.found("pending", engine.Query{Statuses: []model.Status{model.Pending}}, "waits")
	want(s, "what is missing is told", s.get(s.id("waits")).Waits.NoHandler == "", false)
	s.serve()
	s.ends(s.id("waits"), model.Completed)
}

func queryInPages(s *scene) {
	for i := range 12 {
		start(s, helloOnly, fmt.Sprintf("hello-%02d", i), "World", durable.Tags{"shelf": fmt.Sprint(i % 3), "all": ""})
		start(s, number, fmt.Sprintf("number-%02d", i), i)
	}
	for _, id := range s.ids(engine.Query{}) {
		s.ends(id, model.Completed)
	}
	s.found("by tags", engine.Query{Tags: map[string]string{"shelf": "1", "all": ""}}, "hello-01", "hello-04", "hello-07", "hello-10")
	s.found("by tags nobody has", engine.Query{Tags: map[string]string{"shelf": "1", "all": "x"}})
	q := engine.Query{Names: []string{number.Name()}, PageSize: 5}
	sizes, total := "", map[string]bool{}
	for more := true; more; more = q.Token != "" {
		page, err := s.engine.Query(s.ctx, q)
		s.ok(err)
		for _, inst := range page.Instances {
			total[inst.ID] = true
			want(s, "name", inst.Name, number.Name())
		}
		if sizes += fmt.Sprint(len(page.Instances), " "); len(sizes) > 100 {
			s.Fatalf("the pages never end: %s", sizes)
		}
		q.Token = page.Token
	}
	want(s, "instances on all pages "+sizes, len(total), 12)
}

func queryInPagesOfBytes(s *scene) {
	const n, size = 9, 20_000
	for i := range n {
		start(s, helloOnly, fmt.Sprint("hello-", i), strings.Repeat("x", size))
	}
	for _, id := range s.ids(engine.Query{}) {
		s.ends(id, model.Completed)
	}
	for _, least := range []struct{ bytes, pages int }{{1, n}, {5 * size, 2}, {0, 1}} { // with two payloads each
		q := engine.Query{MaxBytes: least.bytes, GetOptions: engine.GetOptions{Payloads: true}}
		pages, listed := 0, map[string]bool{}
		for more := true; more; more = q.Token != "" {
			page, err := s.engine.Query(s.ctx, q)
			s.ok(err)
			total := 0
			for _, inst := range page.Instances {
				listed[inst.ID] = true
				total += inst.Size()
			}
			if len(page.Instances) == 0 || q.MaxBytes > 0 && len(page.Instances) > 1 && total > q.MaxBytes {
				s.Fatalf("a page of %d instances has %d bytes, at most %d were asked for", len(page.Instances), total, q.MaxBytes)
			}
			if pages++; pages > n {
				s.Fatalf("the pages never end")
			}
			q.Token = page.Token
		}
		want(s, "instances listed", len(listed), n)
		want(s, "at least as many pages", pages >= least.pages, true)
	}
}

func tagsInherited(s *scene) {
	run := start(s, factorialByChild, "factorial", 3, durable.Tags{"order": "17"})
	result(s, run, 6)
	found := s.list(engine.Query{Tags: map[string]string{"order": "17"}})
	want(s, "instances with the tag", len(found), 2)
	for _, inst := range found {
		want(s, "tag of "+inst.ID, inst.Tags["order"], "17")
	}
}

func timedPurge(s *scene) {
	s.three("hello-")
	living := start(s, counter, "actor", 0)
	n, err := durable.Purge(s.ctx, s, engine.Query{UpdatedTo: model.TimeOf(s.now().Add(-90 * time.Minute))})
	s.ok(err)
	want(s, "purged", n, 2)
	s.found("left", engine.Query{}, "actor", "hello-2")
	n, err = durable.Purge(s.ctx, s, engine.Query{})
	s.ok(err)
	want(s, "purged", n, 1)
	s.raise(living.ID(), "end")
	result(s, living, 0)
}

func purgeMany(s *scene) {
	const n = 1_100
	var wg sync.WaitGroup
	for c := range 20 {
		wg.Go(func() {
			for i := c; i < n; i += 20 {
				run, err := helloOnly.Start(s.ctx, s, "World", s.named(fmt.Sprint("hello-", i)))
				if err == nil {
					_, err = run.Wait(s.ctx)
				}
				if err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want(s, "instances", len(s.list(engine.Query{})), n)
	deleted, err := durable.Purge(s.ctx, s, engine.Query{Statuses: []model.Status{model.Completed}})
	s.ok(err)
	want(s, "purged", deleted, n)
	want(s, "instances left", len(s.list(engine.Query{})), 0)
}

func purgeLiving(s *scene) {
	run := start(s, counter, "actor", 0)
	n, err := run.Purge(s.ctx, false)
	s.ok(err)
	want(s, "purged", n, 0)
	_, err = s.engine.Purge(s.ctx, s.id("nobody"), false)
	want(s, "purge of an absent instance is ErrNotFound", errors.Is(err, engine.ErrNotFound), true)
	s.raise(run.ID(), "end")
	result(s, run, 0)
	n, err = run.Purge(s.ctx, false)
	s.ok(err)
	want(s, "purged", n, 1)
	_, err = s.engine.Get(s.ctx, run.ID(), engine.GetOptions{})
	want(s, "it is gone", errors.Is(err, engine.ErrNotFound), true)
}

func purgeChildren(s *scene) {
	run := start(s, join, "join", 5)
	_, err := run.Wait(s.ctx)
	s.ok(err)
	want(s, "instances", len(s.list(engine.Query{})), 6)
	n, err := run.Purge(s.ctx, true)
	s.ok(err)
	want(s, "purged at once", n >= 1, true)
	s.until("all children are gone", func() bool { return len(s.list(engine.Query{})) == 0 })
}
