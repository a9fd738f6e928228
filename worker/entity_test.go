package worker

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// tally is an entity type for tests: its state is a map, so that what is shared
// or left behind shows.
type tally struct {
	mode     Rollback
	encodes  int
	tooLarge bool
	exitIn   string // ends the goroutine in Encode, Decode or Copy of a state with "exit" in it
}

func (t *tally) exit(where string, c counts) {
	if t.exitIn == where && c["exit"] > 0 {
		runtime.Goexit()
	}
}

type counts map[string]int

func (t *tally) NewState() any { return counts{} }

func (t *tally) Decode(payload []byte) (any, error) {
	c := counts{}
	err := json.Unmarshal(payload, &c)
	t.exit("Decode", c)
	return c, err
}

func (t *tally) Encode(state any) ([]byte, error) {
	t.encodes++
	t.exit("Encode", state.(counts))
	if state.(counts)["large"] > 0 && t.tooLarge {
		return nil, fmt.Errorf("too large")
	}
	return json.Marshal(state)
}

func (t *tally) Rollback() Rollback { return t.mode }

func (t *tally) Copy(state, _ any) any {
	t.exit("Copy", state.(counts))
	c := counts{}
	for k, v := range state.(counts) {
		c[k] = v
	}
	return c
}

func (t *tally) Operation(name string) (Operation, bool) {
	switch name {
	case "add", "fail", "panic", "exit":
		return Operation{Run: func(state any, call *EntityCall, input []byte) ([]byte, *model.Failure) {
			validate := t.mode == ByValidation
			if name != "add" && validate {
				return nil, &model.Failure{Type: name}
			}
			state.(counts)[string(input)]++
			call.Send(model.Event{Kind: model.EntitySignaled, Instance: "@to@" + string(input)})
			switch name {
			case "fail":
				return nil, &model.Failure{Type: name}
			case "panic":
				panic(name)
			case "exit":
				runtime.Goexit()
			}
			return input, nil
		}}, true
	case "get":
		return Operation{ReadOnly: true, Run: func(state any, _ *EntityCall, input []byte) ([]byte, *model.Failure) {
			return fmt.Append(nil, state.(counts)[string(input)]), nil
		}}, true
	case "flood":
		return Operation{Run: func(state any, call *EntityCall, input []byte) ([]byte, *model.Failure) {
			for range len(input) {
				call.Send(model.Event{Kind: model.EntitySignaled})
			}
			state.(counts)["flood"]++
			return nil, nil
		}}, true
	case "delete":
		return Operation{Delete: true}, true
	}
	return Operation{}, false
}

func entityItem(n uint64, state string, ops ...string) *engine.EntityItem {
	item := &engine.EntityItem{Instance: "@tally@k", Now: model.Time(n)}
	item.Token.Name = engine.Name{Epoch: 1, Number: n}
	if state != "" {
		item.State = []byte(state)
	}
	for _, op := range ops {
		name, input, _ := strings.Cut(op, " ")
		item.Operations = append(item.Operations, model.Event{Kind: model.EntityCalled, Name: name, Payload: []byte(input)})
	}
	return item
}

// describe writes a batch's results in one line.
func describe(r *engine.EntityResult) string {
	var b strings.Builder
	for _, op := range r.Results {
		if op.Failure != nil {
			fmt.Fprintf(&b, "!%s ", op.Failure.Type)
			continue
		}
		fmt.Fprintf(&b, "%s ", op.Output)
	}
	fmt.Fprintf(&b, "| %s |", r.State)
	for _, ev := range r.Events {
		fmt.Fprintf(&b, " %d%s", ev.ID, strings.TrimPrefix(ev.Instance, "@to@"))
	}
	return b.String()
}

func TestFailedOperationsLeaveNoTraceInAnyForm(t *testing.T) {
	for name, mode := range map[string]Rollback{"encoding": ByEncoding, "copy": ByCopy, "validation": ByValidation} {
		t.Run(name, func(t *testing.T) {
			w, d := serve(t, nil, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: mode}})
			for i, tt := range []struct {
				state string
				ops   []string
				want  string
			}{
				{"", []string{"get x"}, `0 |  |`},
				{"", []string{"fail x"}, `!fail |  |`},
				{"", []string{"add a", "fail b", "add c"}, `a !fail c | {"a":1,"c":1} | 0a 1c`},
				{`{"a":1}`, []string{"fail a", "get a"}, `!fail 1 | {"a":1} |`},
				{`{"a":1}`, []string{"add a", "delete", "get a"}, `a  0 |  | 0a`},
				{`{"a":1}`, []string{"delete", "add b", "fail b"}, ` b !fail | {"b":1} | 0b`},
				{`{"a":1}`, []string{"none", "add b"}, `!EntityOperationNotFound b | {"a":1,"b":1} | 0b`},
				{"", []string{"add a", "fail a", "add a", "fail b", "fail c", "add b", "fail d", "fail e", "fail f", "add c"},
					`a !fail a !fail !fail b !fail !fail !fail c | {"a":2,"b":1,"c":1} | 0a 1a 2b 3c`},
				{`bad`, []string{"add b"}, `!InvalidPayload | bad |`},
				{`bad`, []string{"delete", "add b"}, ` b | {"b":1} | 0b`},
			} {
				w.Offer(engine.Items{Entities: []*engine.EntityItem{entityItem(uint64(i+1), tt.state, tt.ops...)}})
				if got := describe(receive(t, d.entities)); got != tt.want {
					t.Errorf("%s %v:\n got %s\nwant %s", tt.state, tt.ops, got, tt.want)
				}
			}
		})
	}
}

func TestPanicAndGoexitFailOnlyTheirOperation(t *testing.T) {
	for _, mode := range []Rollback{ByEncoding, ByCopy} {
		w, d := serve(t, nil, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: mode}})
		w.Offer(engine.Items{Entities: []*engine.EntityItem{entityItem(1, "", "add a", "panic b", "exit c", "add d", "exit e")}})
		if got := describe(receive(t, d.entities)); got != `a !Panic !Panic d !Panic | {"a":1,"d":1} | 0a 1d` {
			t.Errorf("got %s", got)
		}
	}
}

func TestDecodedStateIsUsedAgainAfterExactlyItsLastBatch(t *testing.T) {
	w, d := serve(t, nil, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: ByCopy}})
	offer := func(item *engine.EntityItem, want string) {
		t.Helper()
		w.Offer(engine.Items{Entities: []*engine.EntityItem{item}})
		if got := describe(receive(t, d.entities)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	offer(entityItem(1, "", "add a"), `a | {"a":1} | 0a`)
	second := entityItem(2, `{"not":"looked at"}`, "get a")
	second.Last = engine.Name{Epoch: 1, Number: 1}
	offer(second, `1 | {"not":"looked at"} |`)
	third := entityItem(3, `{"a":7}`, "get a")
	third.Last = engine.Name{Epoch: 1, Number: 1}
	offer(third, `7 | {"a":7} |`)
}

func TestStateThatCannotBeEncodedFailsTheOperationThatMadeIt(t *testing.T) {
	for _, mode := range []Rollback{ByEncoding, ByCopy, ByValidation} {
		w, d := serve(t, nil, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: mode, tooLarge: true}})
		w.Offer(engine.Items{Entities: []*engine.EntityItem{entityItem(1, "", "add a", "add large", "add b")}})
		if got := describe(receive(t, d.entities)); got != `a !InvalidPayload b | {"a":1,"b":1} | 0a 1b` {
			t.Errorf("mode %d: got %s", mode, got)
		}
	}
}

func TestBatchEndsBeforeItIsTooLarge(t *testing.T) {
	w, d := serve(t, func(o *Options) { o.MaxStepEvents = 10 }, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: ByCopy}})
	for i, tt := range []struct {
		ops  []string
		want int
	}{
		{[]string{"flood xxxx", "flood xxxx", "flood xxxx"}, 2},
		{[]string{"flood xxxx", "flood xxxxxxx"}, 1},
		{[]string{"flood xxxxxxxxxxx", "add a"}, 2},
	} {
		w.Offer(engine.Items{Entities: []*engine.EntityItem{entityItem(uint64(i+1), "", tt.ops...)}})
		r := receive(t, d.entities)
		if len(r.Results) != tt.want || len(r.Events) > 10 {
			t.Errorf("%v: %d results, %d events", tt.ops, len(r.Results), len(r.Events))
		}
		if f := r.Results[0].Failure; (f != nil) != (i == 2) {
			t.Errorf("%v: %+v", tt.ops, f)
		}
	}
}

func TestGoexitInTheCodeOfAStateFailsOnlyWhatNeedsThatState(t *testing.T) {
	for _, tt := range []struct {
		where, state string
		ops          []string
		mode         Rollback
		want         string
	}{
		{"Decode", `{"exit":1}`, []string{"add a", "delete", "add b"}, ByEncoding, `!InvalidPayload  b | {"b":1} | 0b`},
		{"Encode", `{"a":1}`, []string{"add a", "add exit", "add b"}, ByEncoding, `a !InvalidPayload b | {"a":2,"b":1} | 0a 1b`},
		{"Encode", `{"a":1}`, []string{"add a", "add exit", "add b"}, ByCopy, `a !InvalidPayload b | {"a":2,"b":1} | 0a 1b`},
		{"Encode", `{"a":1}`, []string{"add exit"}, ByValidation, `!InvalidPayload | {"a":1} |`},
		{"Encode", `{"a":1}`, []string{"add a", "add exit", "exit b", "add b"}, ByEncoding, `a !InvalidPayload !Panic b | {"a":2,"b":1} | 0a 1b`},
		{"Copy", `{"a":1}`, []string{"add exit", "add b", "fail c"}, ByCopy, `exit b !fail | {"a":1,"b":1,"exit":1} | 0exit 1b`},
		{"Copy", `{"a":1}`, []string{"add exit", "exit b", "add b"}, ByCopy, `exit !Panic b | {"a":1,"b":1,"exit":1} | 0exit 1b`},
	} {
		w, d := serve(t, nil, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: tt.mode, exitIn: tt.where}})
		w.Offer(engine.Items{Entities: []*engine.EntityItem{entityItem(1, tt.state, tt.ops...)}})
		select {
		case r := <-d.entities:
			if got := describe(r); got != tt.want {
				t.Errorf("%s, mode %d, %v:\n got %s\nwant %s", tt.where, tt.mode, tt.ops, got, tt.want)
			}
			for _, op := range r.Results {
				if f := op.Failure; f != nil && f.Type == "InvalidPayload" && !strings.Contains(f.Message, "goroutine") {
					t.Errorf("failure does not say what happened: %s", f.Message)
				}
			}
		case <-d.abandoned:
			t.Errorf("%s, mode %d, %v: given back, to be offered again for ever", tt.where, tt.mode, tt.ops)
		}
	}
}

// Nothing can be taken back from a state that validates first. An operation that
// asks for too much there is found by another kind of rollback.
func TestOperationThatSendsTooMuchFailsAlsoWhereNothingIsTakenBack(t *testing.T) {
	w, d := serve(t, func(o *Options) { o.MaxStepEvents = 10 }, coded{Kind: engine.EntityKind, Name: "tally", Entity: &tally{mode: ByValidation}})
	w.Offer(engine.Items{Entities: []*engine.EntityItem{entityItem(1, "", "flood xxxxxxxxxxx", "add a")}})
	if got := describe(receive(t, d.entities)); got != `!StepTooLarge a | {"a":1} | 0a` {
		t.Errorf("got %s", got)
	}
}
