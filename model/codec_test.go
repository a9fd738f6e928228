package model

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// genEvent draws events of any kind with any fields, known to the engine or not.
func genEvent(depth int) *rapid.Generator[Event] {
	return rapid.Custom(func(t *rapid.T) Event {
		return Event{
			Kind:      Kind(rapid.Uint8Range(1, 255).Draw(t, "kind")),
			ID:        genInt32.Draw(t, "id"),
			Ref:       genInt32.Draw(t, "ref"),
			Time:      Time(genInt64.Draw(t, "time")),
			FireAt:    Time(genInt64.Draw(t, "fireAt")),
			Name:      genText.Draw(t, "name"),
			Version:   genText.Draw(t, "version"),
			Instance:  genText.Draw(t, "instance"),
			RequestID: genText.Draw(t, "requestID"),
			Payload:   genPayload.Draw(t, "payload"),
			Failure:   genFailure(depth).Draw(t, "failure"),
			Ext:       genExt(depth).Draw(t, "ext"),
		}
	})
}

var (
	genInt32   = rapid.OneOf(rapid.Just(int32(0)), rapid.Just(NoID), rapid.Int32())
	genInt64   = rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1.7e18, 1.8e18), rapid.Int64())
	genText    = rapid.OneOf(rapid.Just(""), rapid.String())
	genPayload = rapid.OneOf(rapid.Just([]byte(nil)), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()))
	genTags    = rapid.OneOf(rapid.Just(map[string]string(nil)), rapid.MapOfN(rapid.String(), rapid.String(), 1, 30))
)

func genExecution(t *rapid.T) (e ExecutionID) {
	copy(e[:], rapid.OneOf(rapid.Just(make([]byte, 16)), rapid.SliceOfN(rapid.Byte(), 16, 16)).Draw(t, "execution"))
	return e
}

func genFailure(depth int) *rapid.Generator[*Failure] {
	return rapid.Custom(func(t *rapid.T) *Failure {
		if rapid.Bool().Draw(t, "absent") {
			return nil
		}
		f := &Failure{
			Type:         genText.Draw(t, "type"),
			Message:      genText.Draw(t, "message"),
			Stack:        genText.Draw(t, "stack"),
			NonRetriable: rapid.Bool().Draw(t, "nonRetriable"),
		}
		if rapid.Bool().Draw(t, "hasProperties") {
			f.Properties = rapid.MapOfN(rapid.String(), genPayload, 1, 20).Draw(t, "properties")
		}
		if depth > 0 {
			f.Cause = genFailure(depth-1).Draw(t, "cause")
		}
		return f
	})
}

func genExt(depth int) *rapid.Generator[*Ext] {
	return rapid.Custom(func(t *rapid.T) *Ext {
		x := &Ext{
			Execution:   genExecution(t),
			Tags:        genTags.Draw(t, "tags"),
			Status:      Status(rapid.Uint8().Draw(t, "status")),
			Recurse:     rapid.Bool().Draw(t, "recurse"),
			Position:    genInt32.Draw(t, "position"),
			Call:        genInt32.Draw(t, "call"),
			Attempt:     genInt32.Draw(t, "attempt"),
			Timeout:     genInt64.Draw(t, "timeout"),
			AfterCommit: rapid.Bool().Draw(t, "afterCommit"),
		}
		if rapid.Bool().Draw(t, "hasParent") {
			x.Parent = &Parent{Instance: genText.Draw(t, "p"), Execution: genExecution(t), Name: genText.Draw(t, "n"), Version: genText.Draw(t, "v"), ID: genInt32.Draw(t, "i")}
		}
		if rapid.Bool().Draw(t, "hasTrace") {
			x.Trace = &Trace{Parent: genText.Draw(t, "p"), State: genText.Draw(t, "s"), SpanID: genText.Draw(t, "i")}
		}
		if rapid.Bool().Draw(t, "hasVersion") {
			v := genText.Draw(t, "newVersion")
			x.NewVersion = &v
		}
		if rapid.Bool().Draw(t, "hasLockSet") {
			x.LockSet = rapid.SliceOfN(genText, 1, 5).Draw(t, "lockSet")
		}
		if depth > 0 && rapid.Bool().Draw(t, "hasCarryOver") {
			x.CarryOver = rapid.SliceOfN(genEvent(depth-1), 1, 3).Draw(t, "carryOver")
		}
		if reflect.DeepEqual(*x, Ext{}) {
			return nil
		}
		return x
	})
}

func TestEventRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, base := genEvent(2).Draw(t, "event"), Time(genInt64.Draw(t, "base"))
		b := AppendEvent([]byte("prefix"), &want, base)[len("prefix"):]
		for name, r := range map[string]*Reader{"copying": NewReader(b), "owned": NewOwnedReader(b)} {
			got, err := DecodeEvent(r, base)
			if err = errors.Join(err, r.Done()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s reader:\n got %+v\nwant %+v", name, got, want)
			}
		}
	})
}

func TestMessageRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Message{To: genText.Draw(t, "to"), ToExecution: genExecution(t), From: genText.Draw(t, "from"), Event: genEvent(1).Draw(t, "event")}
		base := Time(genInt64.Draw(t, "base"))
		r := NewReader(AppendMessage(nil, &want, base))
		got, err := DecodeMessage(r, base)
		if err = errors.Join(err, r.Done()); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
		}
	})
}

func TestPartsRoundTripAlsoWhenAbsent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, tags := genFailure(3).Draw(t, "failure"), genTags.Draw(t, "tags")
		x := Ext{}
		if e := genExt(0).Draw(t, "ext"); e != nil {
			x = *e
		}
		events := rapid.SliceOfN(genEvent(0), 0, 3).Draw(t, "events")
		if len(events) == 0 {
			events = nil
		}
		opt := genPayload.Draw(t, "opt")
		b := AppendTrace(AppendParent(AppendFailure(nil, f), x.Parent), x.Trace)
		b = AppendOptBytes(AppendEvents(AppendTags(b, tags), events, 7), opt)
		r := NewReader(b)
		gotFailure, _ := DecodeFailure(r)
		gotParent, _ := DecodeParent(r)
		gotTrace, _ := DecodeTrace(r)
		gotTags, _ := DecodeTags(r)
		gotEvents, _ := DecodeEvents(r, 7)
		gotOpt := r.OptBytes()
		if err := r.Done(); err != nil {
			t.Fatal(err)
		}
		got := []any{gotFailure, gotParent, gotTrace, gotTags, gotEvents, gotOpt}
		want := []any{f, x.Parent, x.Trace, tags, events, opt}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestEmptyExtAndMapsEncodeAsAbsent(t *testing.T) {
	bare := AppendEvent(nil, &Event{Kind: EventRaised, ID: NoID}, 0)
	empty := AppendEvent(nil, &Event{Kind: EventRaised, ID: NoID, Ext: &Ext{Tags: map[string]string{}, LockSet: []string{}, CarryOver: []Event{}}}, 0)
	if !bytes.Equal(bare, empty) {
		t.Errorf("got %x, want %x", empty, bare)
	}
	if len(bare) != minEvent {
		t.Errorf("an event without fields takes %d bytes, want %d", len(bare), minEvent)
	}
}

func TestEventsRecordedTogetherSpendNoBytesOnTime(t *testing.T) {
	const now = Time(1_790_000_000_000_000_000)
	e := Event{Kind: TaskCompleted, ID: NoID, Ref: 3, Time: now, Payload: []byte("ok")}
	if n := len(AppendEvent(nil, &e, now)); n != 6 { // kind, fields, ref, length and 2 bytes
		t.Errorf("%d bytes, want 6", n)
	}
}

func TestNestingBeyondTheLimitIsCutOffByEncoding(t *testing.T) {
	var f *Failure
	for range 2 * MaxDepth {
		f = &Failure{Message: "m", Cause: f}
	}
	e := Event{Kind: EventRaised, ID: NoID}
	for range 2 * MaxDepth {
		e = Event{Kind: EventRaised, ID: NoID, Ext: &Ext{CarryOver: []Event{e}}}
	}
	e.Failure = f
	got, err := DecodeEvent(NewReader(AppendEvent(nil, &e, 0)), 0)
	if err != nil {
		t.Fatal(err)
	}
	depth := 0
	for c := got.Failure.Cause; c != nil; c = c.Cause {
		depth++
	}
	if depth != MaxDepth {
		t.Errorf("%d causes, want %d", depth, MaxDepth)
	}
	depth = 0
	for c := &got; c.Ext != nil; c = &c.Ext.CarryOver[0] {
		depth++
	}
	if depth != MaxDepth {
		t.Errorf("%d levels of carried events, want %d", depth, MaxDepth)
	}
}

// TestSecondEncodingsAreRefused lists what would decode to the same value as
// another encoding, or to nothing sensible.
func TestSecondEncodingsAreRefused(t *testing.T) {
	deep := bytes.Repeat([]byte{partPresent | failureCause}, MaxDepth+1)
	carried := bytes.Repeat(append(AppendUvarint([]byte{3, eventExt}, extCarryOver), 1), MaxDepth+1)
	tests := map[string]struct {
		in   []byte
		want string
	}{
		"kind 0":             {[]byte{0, 0}, "kind 0"},
		"long field bits":    {[]byte{3, 0x80, 0}, "number too long"},
		"unknown field":      {AppendUvarint([]byte{3}, eventAll+1), "unknown field of event"},
		"ID that is NoID":    {[]byte{3, eventID, 1}, "event ID present but zero"},
		"zero ref":           {[]byte{3, eventRef, 0}, "event ref present but zero"},
		"ref of 33 bits":     {AppendVarint([]byte{3, eventRef}, math.MaxInt32+1), "beyond 32 bits"},
		"time at base":       {[]byte{3, eventTime, 0}, "event time present but zero"},
		"empty name":         {[]byte{3, eventName, 0}, "event name present but zero"},
		"no extension":       {[]byte{3, eventExt, 0}, "event extension present but zero"},
		"unknown extension":  {AppendUvarint([]byte{3, eventExt}, extAll+1), "unknown field of event extension"},
		"zero call":          {[]byte{3, eventExt, extCall, 0}, "call ordinal present but zero"},
		"absent parent":      {[]byte{3, eventExt, extParent, 0}, "parent present but zero"},
		"parent flags alone": {[]byte{3, eventExt, extParent, parentInstance, 1, 'p'}, "flags of an absent parent"},
		"no tags":            {[]byte{3, eventExt, extTags, 0}, "tags present but zero"},
		"tags out of order":  {[]byte{3, eventExt, extTags, 2, 1, 'b', 0, 1, 'a', 0}, "out of order"},
		"tag twice":          {[]byte{3, eventExt, extTags, 2, 1, 'b', 0, 1, 'b', 0}, "out of order"},
		"zero status":        {append(AppendUvarint([]byte{3, eventExt}, extStatus), 0), "status present but zero"},
		"nothing carried":    {append(AppendUvarint([]byte{3, eventExt}, extCarryOver), 0), "carried events present but zero"},
		"no lock set":        {append(AppendUvarint([]byte{3, eventExt}, extLockSet), 0), "lock set present but zero"},
		"absent failure":     {append(AppendUvarint([]byte{3}, eventFailure), 0), "failure present but zero"},
		"causes too deep":    {append(append(AppendUvarint([]byte{3}, eventFailure), deep...), partPresent), "too deeply"},
		"carried too deep":   {append(carried, 3, 0), "too deeply"},
		"huge payload":       {AppendUvarint([]byte{3, eventPayload}, math.MaxUint64), "length beyond"},
		"huge count":         {AppendUvarint(AppendUvarint([]byte{3, eventExt}, extCarryOver), math.MaxUint64), "count beyond"},
		"number of 65 bits":  {append(append([]byte{3, eventTime}, bytes.Repeat([]byte{0xff}, 9)...), 2), "number too long"},
		"empty input":        {nil, "end of input at byte 0 of 0"},
		"cut in a number":    {[]byte{3, eventTime, 0x80}, "end of input in a number"},
	}
	for name, tt := range tests {
		_, err := DecodeEvent(NewReader(tt.in), 0)
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestDecodedValuesOfACopyingReaderOutliveTheInput(t *testing.T) {
	e := Event{Kind: TaskFailed, Name: "name", Payload: []byte("payload"), Failure: &Failure{Message: "m", Properties: map[string][]byte{"k": []byte("v")}}}
	b := AppendEvent(nil, &e, 0)
	got, err := DecodeEvent(NewReader(b), 0)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !reflect.DeepEqual(got, e) {
		t.Errorf("changed with the input: %+v", got)
	}
}

func TestPayloadsOfAnOwnedReaderCannotGrowIntoTheirNeighbours(t *testing.T) {
	b := AppendBytes(AppendOptBytes(nil, []byte("one")), []byte("two"))
	r := NewOwnedReader(b)
	_ = append(r.OptBytes(), "over"...)
	if got := string(r.Bytes()); got != "two" {
		t.Errorf("got %q, want %q", got, "two")
	}
}
