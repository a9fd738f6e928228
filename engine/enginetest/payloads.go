package enginetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var payloads = []scenario{
	{name: "T25_LargeInputAndOutput", run: largeInput, opts: Options{MaxPayload: 6 << 20, Bulk: true}, heavy: true},
	{name: "T25_LargeInputAndOutput_RefusedByDefault", run: largeInputRefused},
	{name: "T31_SmallTextMessagePayloads", run: func(s *scene) { echoed(s, text(1<<10)) }},
	{name: "LargeTextMessagePayloads", run: func(s *scene) { echoed(s, text(1<<20)) }},
	{name: "LargeBinaryPayloads", run: func(s *scene) { echoed(s, noise(1<<20)) }},
	{name: "NonASCIITextPayloads", run: func(s *scene) { echoed(s, []byte(strings.Repeat("ありがとう 🚀\x00\"\\", 1_000))) }},
	{name: "EmptyAndAbsentPayloads", run: emptyPayloads},
	{name: "CharacterCounter_DoublingState", run: doublingState},
	{name: "OversizedResultFailsOnlyItsInstance", run: oversizedResult, opts: Options{MaxPayload: 64 << 10}},
}

var (
	echoThrough = durable.Orchestration("EchoThrough", func(ctx *durable.Context, in durable.Raw) (durable.Raw, error) {
		return echo.Call(ctx, in).Await()
	})
	grow     = durable.DeclareOrchestration[string, int]("CharacterCounter")
	oversize = durable.Orchestration("Oversize", func(ctx *durable.Context, n int) (durable.Raw, error) {
		return durable.Raw(text(n)), nil
	})
	sizeOf = durable.Orchestration("SizeOf", func(_ *durable.Context, in durable.Raw) (int, error) {
		if in == nil {
			return -1, nil
		}
		return len(in), nil
	})

	payloadCode = []durable.Handler{echoThrough, grow.By(growCode), oversize, sizeOf, keeper, waiting}
)

// growCode doubles its state until it is long enough.
func growCode(_ *durable.Context, state string) (int, error) {
	if len(state) >= 256<<10 {
		return len(state), nil
	}
	return grow.Again(state + state)
}

// noise returns n bytes that no encoding makes shorter, the same every time.
func noise(n int) []byte {
	rng, b := rand.NewChaCha8([32]byte{'n', 'o', 'i', 's', 'e'}), make([]byte, n)
	_, _ = rng.Read(b) // never fails
	return b
}

// echoed sends a payload through an orchestration and an activity.
func echoed(s *scene, payload []byte) {
	s.Helper()
	run := start(s, echoThrough, "echo", durable.Raw(payload))
	got, err := run.Wait(s.ctx)
	s.ok(err)
	inst := s.get(run.ID())
	if !bytes.Equal(got, payload) || !bytes.Equal(inst.Input, payload) || !bytes.Equal(inst.Output, payload) {
		s.Errorf("a payload of %d bytes has changed: the result has %d, the input %d, the output %d", len(payload), len(got), len(inst.Input), len(inst.Output))
	}
}

func largeInput(s *scene) {
	echoed(s, noise(5<<20))
	s.crash()
	want(s, "output is the same after a crash", bytes.Equal(s.get(s.id("echo")).Output, noise(5<<20)), true)
}

func largeInputRefused(s *scene) {
	_, err := echoThrough.Start(s.ctx, s, durable.Raw(noise(5<<20)), s.named("echo"))
	want(s, "the language refuses with ErrTooLarge", errors.Is(err, engine.ErrTooLarge), true)
	_, err = s.engine.Start(s.ctx, engine.StartRequest{Instance: s.id("echo"), Name: echoThrough.Name(), Input: noise(5 << 20)})
	want(s, "the engine refuses with ErrTooLarge", errors.Is(err, engine.ErrTooLarge), true)
	_, err = s.engine.Get(s.ctx, s.id("echo"), engine.GetOptions{})
	want(s, "there is no such instance", errors.Is(err, engine.ErrNotFound), true)
	echoed(s, noise(1<<20))
}

func emptyPayloads(s *scene) {
	result(s, start(s, sizeOf, "absent", durable.Raw(nil)), -1)
	result(s, start(s, sizeOf, "empty", durable.Raw{}), 0)
	want(s, "absent input is absent", s.get(s.id("absent")).Input == nil, true)
	want(s, "empty input is absent", s.get(s.id("empty")).Input == nil, false)
}

func doublingState(s *scene) {
	run := start(s, grow, "grow", "x")
	result(s, run, 256<<10)
	want(s, "bytes of the input", len(s.get(run.ID()).Input), 256<<10+2)
}

func oversizedResult(s *scene) {
	run := start(s, oversize, "large", 100<<10)
	s.ends(run.ID(), model.Failed)
	_, err := run.Wait(s.ctx)
	want(s, "error is ErrPayloadTooLarge", errors.Is(err, durable.ErrPayloadTooLarge), true)
	got, err := start(s, oversize, "small", 10<<10).Wait(s.ctx)
	s.ok(err)
	want(s, "bytes of the result", len(got), 10<<10)
}
