package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

func TestRetryDelayFollowsTheFormula(t *testing.T) {
	s := time.Second
	for _, tt := range []struct {
		retry Retry
		want  []time.Duration
	}{
		{Retry{First: s, Factor: 2}, []time.Duration{s, 2 * s, 4 * s, 8 * s}},
		{Retry{First: s, Factor: 2, Max: 3 * s}, []time.Duration{s, 2 * s, 3 * s, 3 * s}},
		{Retry{First: s}, []time.Duration{s, s, s}},
		{Retry{}, []time.Duration{s, s}},
		{Retry{First: -s}, []time.Duration{0, 0}},
		{Retry{First: 10 * s, Factor: 0.5}, []time.Duration{10 * s, 5 * s, 2500 * time.Millisecond}},
		{Retry{First: s, Factor: 1e300, Max: time.Hour}, []time.Duration{s, time.Hour, time.Hour}},
		{Retry{First: s, Factor: -1}, []time.Duration{s, 0, s}},
	} {
		for i, want := range tt.want {
			if got := tt.retry.delay(i + 1); got != want {
				t.Errorf("%+v after failure %d: %v, want %v", tt.retry, i+1, got, want)
			}
		}
	}
	if d := (&Retry{First: s, Factor: 1e300}).delay(3); d <= 0 {
		t.Errorf("overflow gives %v", d)
	}
}

func TestRetryEndsWhenOneOfItsBoundsIsReached(t *testing.T) {
	failure := &TaskError{Type: "x"}
	for _, tt := range []struct {
		retry  Retry
		failed Failed
		again  bool
	}{
		{Retry{Attempts: 3}, Failed{Attempt: 2, Err: failure}, true},
		{Retry{Attempts: 3}, Failed{Attempt: 3, Err: failure}, false},
		{Retry{Within: time.Hour}, Failed{Attempt: 9, Err: failure, Elapsed: time.Hour - 1}, true},
		{Retry{Within: time.Hour}, Failed{Attempt: 1, Err: failure, Elapsed: time.Hour}, false},
		{Retry{}, Failed{Attempt: 1000, Err: failure}, true},
		{Retry{}, Failed{Attempt: 1, Err: &TaskError{NonRetriable: true}}, false},
		{Retry{If: func(Failed) bool { return false }}, Failed{Attempt: 1, Err: failure}, false},
		{Retry{Attempts: 2, Delay: func(Failed) (time.Duration, bool) { return 0, true }}, Failed{Attempt: 2, Err: failure}, false},
	} {
		if _, again := tt.retry.next(tt.failed); again != tt.again {
			t.Errorf("%+v %+v: again %v", tt.retry, tt.failed, again)
		}
	}
}

type declined struct{ Code int }

func (d *declined) Error() string { return fmt.Sprint("declined with ", d.Code) }

func TestErrorsSurviveTheirWay(t *testing.T) {
	errA, errB := NewError("a"), NewError("b")
	through := func(err error) error { return taskError("task", FailureOf(err)) }
	for name, err := range map[string]error{
		"plain":   fmt.Errorf("context: %w", errA),
		"twice":   through(through(fmt.Errorf("context: %w", errA))),
		"joined":  errors.Join(errA, errB),
		"wrapped": fmt.Errorf("outer: %w", through(fmt.Errorf("inner %w: %w", errB, errA))),
		"marked":  NonRetriable(errA),
	} {
		got := through(err)
		if !errors.Is(got, errA) || errors.Is(got, NewError("c")) || errors.Is(got, errB) != errors.Is(err, errB) {
			t.Errorf("%s: %v", name, got)
		}
		if strings.Count(got.Error(), "task: ") < 1 || !strings.Contains(got.Error(), err.Error()) {
			t.Errorf("%s: message %q lost %q", name, got, err)
		}
	}
	var te *TaskError
	if err := through(NonRetriable(errA)); !errors.As(err, &te) || !te.NonRetriable {
		t.Errorf("%+v", te)
	}
	if err := through(fmt.Errorf("x: %w", &declined{7})); !errors.As(err, &te) || te.Type != "durable.declined" || te.Error() != "task: durable.declined: x: declined with 7" {
		t.Errorf("%v", err)
	}
	if err := through(errors.New("just text")); err.Error() != "task: just text" {
		t.Errorf("%v", err)
	}
	if err := through(context.DeadlineExceeded); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
	err := through(fmt.Errorf("x: %w", errA.With("n", 3).With("s", "t")))
	if n, ok := Property[int](err, "n"); !ok || n != 3 {
		t.Errorf("property %v %v", n, ok)
	}
	if _, ok := Property[int](err, "s"); ok {
		t.Error("property of another type")
	}
	if FailureOf(nil) != nil {
		t.Error("nil has failed")
	}
}

func TestFailureChainsEndEvenIfTypesRepeat(t *testing.T) {
	inner := &model.Failure{Type: "a", Message: "1", Cause: &model.Failure{Type: "b", Message: "2"}}
	f := FailureOf(errors.Join(inner, NewError("b"), NewError("c"), inner))
	var types []string
	for c := f; c != nil; c = c.Cause {
		types = append(types, c.Type)
	}
	if d := cmp.Diff([]string{"a", "b", "c"}, types); d != "" {
		t.Error(d)
	}
	if inner.Cause.Cause != nil {
		t.Error("the original was changed")
	}
}

func TestJSONShortcutsAgreeWithEncodingJSON(t *testing.T) {
	for _, v := range []any{"", "plain", "quo\"te", "back\\slash", "<html>&", "umläut", "\x01", 0, -7, 1 << 40, int64(-1) << 62, true, false, 1.5, []int{1}} {
		want, _ := json.Marshal(v)
		got, err := JSON.Encode(v)
		if err != nil || string(got) != string(want) {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for _, text := range []string{`""`, `"x"`, `"\u0041"`, `"a"b"`, `"`, `1`, `-1`, `01`, `-`, `1e3`, `9223372036854775807`, `9223372036854775808`, `null`, ` 5`, `"5"`, `-0`} {
		for _, v := range []any{new(string), new(int), new(int64)} {
			want := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			errWant := json.Unmarshal([]byte(text), want)
			err := JSON.Decode([]byte(text), v)
			if (err != nil) != (errWant != nil) || err == nil && !reflect.DeepEqual(v, want) {
				t.Errorf("%s as %T: %v %v, want %v %v", text, v, reflect.ValueOf(v).Elem(), err, reflect.ValueOf(want).Elem(), errWant)
			}
		}
	}
}

func TestRawAndNoneCrossNoCodec(t *testing.T) {
	env := &worker.Env{PayloadLimit: 5}
	if b, err := encode(env, "x", None{}); b != nil || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if b, err := encode(env, "x", Raw("{raw")); string(b) != "{raw" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	if b, err := encode[any](env, "x", Raw("{raw")); string(b) != "{raw" || err != nil {
		t.Errorf("as any value: %q, %v", b, err)
	}
	if b, err := encode[any](env, "x", None{}); b != nil || err != nil {
		t.Errorf("nothing, as any value: %q, %v", b, err)
	}
	if r, err := decode[Raw](env, "x", []byte("{raw")); string(r) != "{raw" || err != nil {
		t.Errorf("%q %v", r, err)
	}
	if _, err := encode(env, "x", Raw("123456")); !errors.Is(err, engine.ErrTooLarge) || !errors.Is(err, ErrPayloadTooLarge) {
		t.Errorf("%v", err)
	}
	if v, err := decode[map[string]int](env, "x", nil); v != nil || err != nil {
		t.Errorf("%v %v", v, err)
	}
	if _, err := decode[int](env, "x", []byte("no")); !errors.Is(err, ErrPayload) {
		t.Errorf("%v", err)
	}
	if _, err := encode(env, "x", func() {}); !errors.Is(err, ErrPayload) {
		t.Errorf("%v", err)
	}
}

func TestFlatTypesAreThoseWithoutReferences(t *testing.T) {
	type deep struct {
		A int
		B struct{ C [3]string }
	}
	for _, tt := range []struct {
		v    any
		want bool
	}{{deep{}, true}, {1, true}, {[]int{}, false}, {struct{ P *int }{}, false}, {map[int]int{}, false}, {struct{ A any }{}, false}, {time.Time{}, false}} {
		if got := flat(reflect.TypeOf(tt.v)); got != tt.want {
			t.Errorf("%T: %v", tt.v, got)
		}
	}
}

func TestChildIDHasAtLeastFourDigits(t *testing.T) {
	e := model.ExecutionID{15: 0xff}
	prefix := "000000000000000000000000000000ff:"
	for id, want := range map[int32]string{0: "0000", 0x1a: "001a", 0xffff: "ffff", 0x10000: "10000", 0x3fffffff: "3fffffff"} {
		if got := childID(e, id); got != prefix+want {
			t.Errorf("%d: %s", id, got)
		}
	}
}

func TestCallsAreCountedAmongTheirEquals(t *testing.T) {
	var c callCounter
	for i := range 20 {
		name := fmt.Sprint("n", i)
		if got := c.ordinal(name, []byte("x")); got != 1 {
			t.Errorf("%s: %d", name, got)
		}
		if got := c.ordinal(name, []byte("x")); got != 2 {
			t.Errorf("%s again: %d", name, got)
		}
		if got := c.ordinal(name, []byte("y")); got != 1 {
			t.Errorf("%s y: %d", name, got)
		}
	}
}

func TestIncompleteDeclarationsAreErrorsWhenServed(t *testing.T) {
	op := func(*int, *EntityContext, int) (int, error) { return 0, nil }
	twice := Entity[int]("Twice")
	Operation(twice, "Op", op)
	Operation(twice, "Op", op)
	missing := Entity[int]("Missing")
	Operation[int, int, int](missing, "Op", nil)
	for want, h := range map[string]Handler{
		`activity "A" has no code`:                  DeclareActivity[int, int]("A"),
		`orchestration "O" has no code`:             DeclareOrchestration[int, int]("O"),
		`orchestration "P" has no code`:             DeclareOrchestration[int, int]("P").By(nil),
		`operation "Op" is declared twice`:          twice,
		`operation "Op" has no code`:                missing,
		`entity name "a@b" contains @`:              Entity[int]("a@b"),
		`activity name is empty`:                    Activity("", func(context.Context, int) (int, error) { return 0, nil }),
		`entity name is empty`:                      Entity[int](""),
		`activity "A" has no code: give it with By`: DeclareActivity[int, int]("A").By(nil),
	} {
		_, err := worker.New(worker.Options{Handlers: []Handler{h}, Clock: stopped{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// stopped is a clock that does not run.
type stopped struct{}

func (stopped) Wall() time.Time                               { return time.Time{} }
func (stopped) Mono() time.Duration                           { return 0 }
func (stopped) AfterFunc(time.Duration, func()) (stop func()) { return func() {} }

func TestTimersReachAsFarAsTimeDoes(t *testing.T) {
	now := model.TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, d := range []time.Duration{0, 1, time.Hour, 150 * 365 * 24 * time.Hour, Forever} {
		ev := timerEvent(now, d)
		if ev.FireAt < now || ev.Ext != nil && now.Add(time.Duration(ev.Ext.Timeout)) != ev.FireAt || (ev.Ext == nil) != (d == 0 || d > farAway) {
			t.Errorf("%v: fires at %v with %+v", d, ev.FireAt, ev.Ext)
		}
	}
}

func TestOperationOfAnExactNameIsAlwaysItsOwn(t *testing.T) {
	e := Entity[int]("Counter")
	ran := ""
	names := []string{"Add", "add", "ADD", "Sub", "SUB"}
	for _, name := range names {
		Operation(e, name, func(*int, *EntityContext, None) (None, error) {
			ran = name
			return None{}, nil
		})
	}
	other := ""
	for range 50 {
		typ := newEntityType(e, &worker.Env{})
		run := func(name string) string {
			op, ok := typ.Operation(name)
			if !ok {
				t.Fatalf("there is no operation %s", name)
			}
			if _, failed := op.Run(new(int), &worker.EntityCall{Env: &worker.Env{}}, nil); failed != nil {
				t.Fatal(failed)
			}
			return ran
		}
		for _, name := range names {
			if got := run(name); got != name {
				t.Fatalf("%s ran %s", name, got)
			}
		}
		got := run("sub") // either may be it, but always the same
		if other == "" {
			other = got
		}
		if got != other {
			t.Fatalf("sub ran %s, and %s before", got, other)
		}
	}
}
