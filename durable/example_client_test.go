package durable_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var (
	released = durable.Event[string]("Released")
	job      = durable.Orchestration("Job", func(ctx *durable.Context, name string) (string, error) {
		if err := ctx.SetStatus("waiting since " + ctx.Now().Format(time.DateOnly)); err != nil {
			return "", err
		}
		return released.Wait(ctx, durable.Forever)
	})
)

// An ID of one's own makes a start safe to repeat.
func ExampleIfExists() {
	ctx := context.Background()
	hub := inMemory(job)
	defer hub.Close(ctx)
	one, _ := job.Start(ctx, hub, "a", durable.ID("job-1"))
	_, err := job.Start(ctx, hub, "a", durable.ID("job-1"))
	fmt.Println(errors.Is(err, engine.ErrExists))
	two, _ := job.Start(ctx, hub, "a", durable.ID("job-1"), durable.IfExists(durable.Attach))
	fmt.Println(two.Attached(), two.Execution() == one.Execution())
	// Output:
	// true
	// true true
}

// A run is found again by its ID, from any program.
func ExampleOrchestrationOf_Attach() {
	ctx := context.Background()
	hub := inMemory(job)
	defer hub.Close(ctx)
	if _, err := job.Start(ctx, hub, "a", durable.ID("job-1")); err != nil {
		fmt.Println(err)
	}
	if err := released.Raise(ctx, hub, "job-1", "go"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(job.Attach(hub, "job-1").Wait(ctx))
	// Output: go <nil>
}

func ExampleRun_Status() {
	ctx := context.Background()
	hub := inMemory(job)
	defer hub.Close(ctx)
	run, _ := job.Start(ctx, hub, "a", durable.Tags{"customer": "Ada"})
	inst, err := run.Status(ctx)
	for err == nil && inst.CustomStatus == nil {
		inst, err = run.Status(ctx)
	}
	status, err := durable.Decode[string](hub, inst.CustomStatus)
	fmt.Println(inst.Status, status[:13], inst.Tags["customer"], inst.Waits.Events, err)
	// Output: Running waiting since Ada [Released] <nil>
}

// Suspended, an instance keeps what it is sent for later.
func ExampleRun_Suspend() {
	ctx := context.Background()
	hub := inMemory(job)
	defer hub.Close(ctx)
	run, _ := job.Start(ctx, hub, "a")
	err := errors.Join(run.Suspend(ctx, "maintenance"), released.Raise(ctx, hub, run.ID(), "go"))
	inst, _ := run.Status(ctx)
	fmt.Println(inst.Status, err)
	if err := run.Resume(ctx, "done"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(run.Wait(ctx))
	// Output:
	// Suspended <nil>
	// go <nil>
}

func ExampleRun_Terminate() {
	ctx := context.Background()
	hub := inMemory(job)
	defer hub.Close(ctx)
	run, _ := job.Start(ctx, hub, "a")
	if err := run.Terminate(ctx, "not needed", true); err != nil {
		fmt.Println(err)
	}
	_, err := run.Wait(ctx)
	fmt.Println(err, errors.Is(err, durable.ErrTerminated))
	// Output: orchestration Job: Terminated: not needed true
}

// Rewind runs again what failed, and nothing else.
func ExampleRun_Rewind() {
	var broken atomic.Bool
	broken.Store(true)
	step := durable.Activity("Step", func(_ context.Context, n int) (int, error) {
		if n == 2 && broken.Load() {
			return 0, errors.New("the disk is full")
		}
		return n, nil
	})
	steps := durable.Orchestration("Steps", func(ctx *durable.Context, n int) (sum int, err error) {
		for i := range n {
			v, err := step.Call(ctx, i).Await()
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})

	ctx := context.Background()
	hub := inMemory(step, steps)
	defer hub.Close(ctx)
	run, _ := steps.Start(ctx, hub, 4)
	_, err := run.Wait(ctx)
	fmt.Println(err)
	broken.Store(false)
	if err := run.Rewind(ctx, "disk space added"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(run.Wait(ctx))
	// Output:
	// orchestration Steps: activity Step: the disk is full
	// 6 <nil>
}

func ExampleRun_Restart() {
	ctx := context.Background()
	hub := inMemory(noted)
	defer hub.Close(ctx)
	run, _ := noted.Start(ctx, hub, "this", durable.ID("note"))
	fmt.Println(run.Wait(ctx))
	again, err := run.Restart(ctx, durable.ID("note")) // without ID it is a new instance
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(again.Wait(ctx))
	// Output:
	// noted this <nil>
	// noted this <nil>
}

// Queries select by name, status, tags, times and ID prefix.
func ExampleQuery() {
	ctx := context.Background()
	hub := inMemory(noted, job)
	defer hub.Close(ctx)
	for i, customer := range []string{"Ada", "Grace", "Ada"} {
		run, _ := noted.Start(ctx, hub, customer, durable.ID(fmt.Sprint("note-", i)), durable.Tags{"customer": customer})
		if _, err := run.Wait(ctx); err != nil {
			fmt.Println(err)
		}
	}
	n := 0
	q := engine.Query{Names: []string{"Noted"}, Statuses: []model.Status{model.Completed}, Tags: map[string]string{"customer": "Ada"}}
	for _, err := range durable.Query(ctx, hub, q) {
		if err != nil {
			fmt.Println(err)
		}
		n++
	}
	fmt.Println(n, "found")
	purged, err := durable.Purge(ctx, hub, engine.Query{IDPrefix: "note-"})
	fmt.Println(purged, "purged", err)
	// Output:
	// 2 found
	// 3 purged <nil>
}
