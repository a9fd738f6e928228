package enginetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

var orchestrations = append(append(append([]scenario{
	{name: "T1_HelloWorldOrchestration_Inline", run: helloInline},
	{name: "T2_HelloWorldOrchestration_Activity", run: helloByActivity},
	{name: "T3_HelloWorldSubOrchestration_FanOutFanIn", run: subOrchestrationFanOut},
	{name: "T4_SequentialOrchestration", run: sequential},
	{name: "T5_ParentOfSequentialOrchestration", run: parentOfSequential},
	{name: "T9_ParallelOrchestration", run: parallelFiles},
	{name: "T10_LargeFanOutOrchestration", run: largeFanOut, heavy: true, opts: Options{Bulk: true}},
	{name: "T11_FanOutOrchestration_LargeHistoryBatches", run: largeHistory, heavy: true, opts: Options{Bulk: true}},
	{name: "T30_FanOutToTableStorage", run: fanOutToTable},
	{name: "T32_DoubleFanOut", run: doubleFanOut},
}, events...), timers...), append(recreations, failures...)...)

var (
	helloOnly = durable.Orchestration("HelloInline", func(_ *durable.Context, name string) (string, error) { return "Hello, " + name + "!", nil })
	helloCall = durable.Orchestration("HelloActivity", func(ctx *durable.Context, name string) (string, error) {
		return hello.Call(ctx, name).Await()
	})
	hello5 = durable.Orchestration("Hello5", func(ctx *durable.Context, _ durable.None) (string, error) {
		var all []string
		for _, city := range []string{"Tokyo", "Seattle", "London", "Amsterdam", "Mumbai"} {
			greeting, err := hello.Call(ctx, city).Await()
			if err != nil {
				return "", err
			}
			all = append(all, greeting)
		}
		return strings.Join(all, " "), nil
	})
	number = durable.Orchestration("Number", func(_ *durable.Context, n int) (string, error) { return fmt.Sprintf("%05d", n), nil })
	join   = durable.Orchestration("Join", func(ctx *durable.Context, n int) (string, error) {
		var parts []*durable.Future[string]
		for i := range n {
			parts = append(parts, number.Call(ctx, i))
		}
		all, err := durable.All(ctx, parts...)
		return strings.Join(all, ","), err
	})
	multiply  = durable.Activity("Multiply", func(_ context.Context, f [2]int64) (int64, error) { return f[0] * f[1], nil })
	factorial = durable.Orchestration("Factorial", func(ctx *durable.Context, n int64) (int64, error) {
		product := int64(1)
		for i := int64(1); i <= n; i++ {
			var err error
			if product, err = multiply.Call(ctx, [2]int64{product, i}).Await(); err != nil {
				return 0, err
			}
		}
		return product, nil
	})
	factorialByChild = durable.Orchestration("FactorialByChild", func(ctx *durable.Context, n int64) (int64, error) {
		return factorial.Call(ctx, n).Await()
	})
	listFiles = durable.Activity("ListFiles", func(_ context.Context, dir string) ([]string, error) {
		return filepath.Glob(filepath.Join(dir, "*"))
	})
	fileSize = durable.Activity("FileSize", func(_ context.Context, path string) (int64, error) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	})
	directorySize = durable.Orchestration("DirectorySize", func(ctx *durable.Context, dir string) (int64, error) {
		files, err := listFiles.Call(ctx, dir).Await()
		if err != nil {
			return 0, err
		}
		var sizes []*durable.Future[int64]
		for _, f := range files {
			sizes = append(sizes, fileSize.Call(ctx, f))
		}
		total := int64(0)
		for _, f := range durable.Completed(ctx, sizes...) {
			n, err := f.Await()
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	})
	plusOne = durable.Activity("PlusOne", func(_ context.Context, n int) (int, error) { return n + 1, nil })
	fanOut  = durable.Orchestration("FanOut", func(ctx *durable.Context, n int) (int, error) {
		var parts []*durable.Future[int]
		for i := range n {
			parts = append(parts, plusOne.Call(ctx, i))
		}
		all, err := durable.All(ctx, parts...)
		sum := 0
		for _, v := range all {
			sum += v
		}
		return sum, err
	})
	largeBatches = durable.Orchestration("LargeHistoryBatches", func(ctx *durable.Context, n int) (int, error) {
		if err := ctx.SetStatus(durable.Raw(text(16 << 10))); err != nil {
			return 0, err
		}
		var parts []*durable.Future[durable.Raw]
		for range n {
			parts = append(parts, echo.Call(ctx, durable.Raw(text(50<<10))))
		}
		all, err := durable.All(ctx, parts...)
		total := 0
		for _, p := range all {
			total += len(p)
		}
		return total, err
	})
	table = durable.Orchestration("Table", func(ctx *durable.Context, rows int) (int, error) {
		var parts []*durable.Future[durable.None]
		for i := range rows {
			parts = append(parts, writeRow.Call(ctx, fmt.Sprintf("%s/%d", ctx.ID(), i)))
		}
		_, err := durable.All(ctx, parts...)
		return len(parts), err
	})
	twice = durable.Orchestration("DoubleFanOut", func(ctx *durable.Context, n int) (int, error) {
		sum := 0
		for range 2 {
			var parts []*durable.Future[int]
			for i := range n {
				parts = append(parts, plusOne.Call(ctx, i))
			}
			all, err := durable.All(ctx, parts...)
			if err != nil {
				return 0, err
			}
			for _, v := range all {
				sum += v
			}
		}
		return sum, nil
	})

	simpleCode = []durable.Handler{
		helloOnly, helloCall, hello5, number, join, multiply, factorial, factorialByChild, listFiles, fileSize, directorySize,
		plusOne, fanOut, largeBatches, table, twice,
	}
)

// text returns n bytes of text that does not repeat soon.
func text(n int) []byte {
	b := make([]byte, n)
	for i, v := 0, uint32(n); i < n; i++ {
		v = v*1664525 + 1013904223
		b[i] = 'a' + byte(v>>24)%26
	}
	return b
}

const hello5Result = "Hello, Tokyo! Hello, Seattle! Hello, London! Hello, Amsterdam! Hello, Mumbai!"

func helloInline(s *scene) {
	run := start(s, helloOnly, "hello", "World")
	result(s, run, "Hello, World!")
	inst := s.get(run.ID())
	want(s, "status", inst.Status, model.Completed)
	want(s, "input", string(inst.Input), `"World"`)
	want(s, "output", string(inst.Output), `"Hello, World!"`)
	want(s, "name", inst.Name, "HelloInline")
}

func helloByActivity(s *scene) {
	run := start(s, helloCall, "hello", "World")
	result(s, run, "Hello, World!")
	want(s, "input", string(s.get(run.ID()).Input), `"World"`)
}

func subOrchestrationFanOut(s *scene) {
	result(s, start(s, join, "join", 10), "00000,00001,00002,00003,00004,00005,00006,00007,00008,00009")
}

func sequential(s *scene) { result(s, start(s, factorial, "factorial", 10), 3_628_800) }

func parentOfSequential(s *scene) { result(s, start(s, factorialByChild, "factorial", 10), 3_628_800) }

func parallelFiles(s *scene) {
	dir, expected := s.TempDir(), int64(0)
	for i := 1; i <= 10; i++ {
		s.ok(os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), text(100*i), 0o600))
		expected += int64(100 * i)
	}
	result(s, start(s, directorySize, "files", dir), expected)
}

func largeFanOut(s *scene) { result(s, start(s, fanOut, "fan-out", 1_000), 500_500) }

func largeHistory(s *scene) {
	run := start(s, largeBatches, "large", 90)
	result(s, run, 90*50<<10)
	inst := s.get(run.ID())
	want(s, "custom status", string(inst.CustomStatus), string(text(16<<10)))
	history, err := run.History(s.ctx)
	s.ok(err)
	results := 0
	for i := range history {
		if history[i].Kind == model.TaskCompleted {
			want(s, "result", string(history[i].Payload), string(text(50<<10)))
			results++
		}
	}
	want(s, "results in the history", results, 90)
}

func fanOutToTable(s *scene) {
	run := start(s, table, "table", 100)
	result(s, run, 100)
	for i := range 100 {
		key := fmt.Sprintf("%s/%d", run.ID(), i)
		want(s, "runs of the activity for row "+key, s.code.written(key), 1)
	}
	want(s, "row beyond the last", s.code.written(run.ID()+"/100"), 0)
}

func doubleFanOut(s *scene) { result(s, start(s, twice, "double", 5), 30) }
