package model

import (
	"errors"
	"strings"
	"testing"
)

func TestValidateInstanceID(t *testing.T) {
	tests := []struct {
		id   string
		want string // part of the error; "" if valid
	}{
		{"order-1", ""},
		{"bestellung ü", ""},
		{"@account@a@b", ""},
		{"@account@", ""},
		{strings.Repeat("x", MaxInstanceID), ""},
		{"", "empty"},
		{strings.Repeat("x", MaxInstanceID+1), "at most 256"},
		{"a/b", `'/'`},
		{`a\b`, `'\\'`},
		{"a#b", `'#'`},
		{"a?b", `'?'`},
		{"a\nb", `'\n'`},
		{"a\xffb", "not UTF-8"},
		{"@account", "@type@key"},
		{"@@key", "@type@key"},
	}
	for _, tt := range tests {
		err := ValidateInstanceID(tt.id)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q refused: %v", tt.id, err)
		case tt.want != "" && (!errors.Is(err, ErrInvalidID) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%.20q: got error %v, want one with %q", tt.id, err, tt.want)
		}
	}
}

func TestValidateName(t *testing.T) {
	if err := ValidateName("activity", "SayHello"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", strings.Repeat("x", MaxName+1), "\xff"} {
		if err := ValidateName("activity", name); err == nil || !strings.HasPrefix(err.Error(), "activity name") {
			t.Errorf("%.20q: got error %v", name, err)
		}
	}
}

func TestEntityIDRoundTrips(t *testing.T) {
	for _, id := range []EntityID{{"account", "a"}, {"account", "with@sign"}, {"account", ""}} {
		got, err := ParseEntityID(id.String())
		if err != nil || got != id {
			t.Errorf("%v: got %v, %v", id, got, err)
		}
	}
	if s := (EntityID{"Account", "A"}).String(); s != "@account@A" {
		t.Errorf("String = %q: the type is without case, the key is not", s)
	}
	if _, err := ParseEntityID("order-1"); !errors.Is(err, ErrInvalidID) {
		t.Errorf("an orchestration's ID parsed as an entity's: %v", err)
	}
}

func TestExecutionIDRoundTrips(t *testing.T) {
	for _, id := range []ExecutionID{{}, {1, 2}, RequestExecution([16]byte{7}, 1, "a")} {
		got, err := ParseExecutionID(id.String())
		if err != nil || got != id {
			t.Errorf("%v: got %v, %v", id, got, err)
		}
	}
	for _, s := range []string{"xyz", "0102", strings.Repeat("0", 34)} {
		if _, err := ParseExecutionID(s); err == nil {
			t.Errorf("%q parsed", s)
		}
	}
}

// TestExecutionIDsAreDerivedFromAllTheirParts also pins their values: stored
// idempotency keys depend on them.
func TestExecutionIDsAreDerivedFromAllTheirParts(t *testing.T) {
	session := [16]byte{1}
	request := RequestExecution(session, 1, "a")
	ids := []ExecutionID{
		request, RequestExecution(session, 2, "a"), RequestExecution(session, 1, "b"), RequestExecution([16]byte{2}, 1, "a"),
		ChildExecution(request, 1, "a"), ChildExecution(request, 2, "a"), ChildExecution(request, 1, "b"), ChildExecution(ExecutionID{}, 1, "a"),
		NextExecution(request), NextExecution(NextExecution(request)),
		RequestExecution(session, 1, strings.Repeat("x", MaxInstanceID)),
	}
	seen := map[ExecutionID]int{}
	for i, id := range ids {
		if j, dup := seen[id]; dup || id.IsZero() {
			t.Errorf("execution %d (%v) equals %d", i, id, j)
		}
		seen[id] = i
	}
	if request != RequestExecution(session, 1, "a") {
		t.Error("not a function of its arguments")
	}
	if want := "a6f2b424a9bc666661d6e6a45dbbf6fa"; request.String() != want {
		t.Errorf("derived %v, want %v as ever", request, want)
	}
}

// TestPartitionOfNeverChanges pins the placement, which is part of the format.
func TestPartitionOfNeverChanges(t *testing.T) {
	tests := []struct {
		id         string
		partitions int
		want       int
	}{{"order-1", 8, 5}, {"@account@a", 8, 2}, {"", 8, 1}, {"order-1", 256, 173}, {"order-1", 1, 0}}
	for _, tt := range tests {
		if got := PartitionOf(tt.id, tt.partitions); got != tt.want {
			t.Errorf("PartitionOf(%q, %d) = %d, want %d", tt.id, tt.partitions, got, tt.want)
		}
	}
}

func TestPlacementIsEven(t *testing.T) {
	const n, partitions = 8000, 8
	var count [partitions]int
	for i := range n {
		count[PartitionOf("instance-"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+ExecutionID{byte(i), byte(i >> 8)}.String(), partitions)]++
	}
	for p, c := range count {
		if c < n/partitions*8/10 || c > n/partitions*12/10 {
			t.Errorf("partition %d has %d of %d instances", p, c, n)
		}
	}
}
