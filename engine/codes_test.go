package engine

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

func TestEachErrorOfTheContractHasACodeOfItsOwn(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Err") {
			declared++
		}
		return true
	})
	seen := map[string]bool{}
	for _, c := range codes {
		if c.err != context.DeadlineExceeded && c.err != context.Canceled {
			declared--
		}
		if seen[c.code] {
			t.Errorf("%s stands for two errors", c.code)
		}
		seen[c.code] = true
		if got := CodeOf(fmt.Errorf("start: %w", c.err)); got != c.code {
			t.Errorf("%v has the code %q, want %q", c.err, got, c.code)
		}
		if got := OfCode(c.code); got != c.err {
			t.Errorf("%s is %v, want %v", c.code, got, c.err)
		}
		if e := Told(c.code, "text"); !errors.Is(e, c.err) || e.Error() != "text" || CodeOf(e) != c.code {
			t.Errorf("%s arrives as %v", c.code, e)
		}
	}
	if declared != 0 {
		t.Errorf("%d errors of the contract have no code", declared)
	}
}

func TestAnErrorOfNoCodeIsNoneOfTheContract(t *testing.T) {
	if code := CodeOf(errors.New("else")); code != "" || CodeOf(nil) != "" {
		t.Errorf("it has the code %q", code)
	}
	if code := CodeOf(&PartialError{Reason: errors.New("else")}); code != "unavailable" {
		t.Errorf("a part that is missing for such a reason has the code %q", code)
	}
	if e := Told("unheard-of", "text"); OfCode("unheard-of") != nil || OfCode("") != nil || errors.Unwrap(e) != nil || e.Error() != "text" {
		t.Errorf("it arrives as %#v", e)
	}
}

func TestWhatSomebodyHasToMendIsNotTemporary(t *testing.T) {
	for want, reason := range map[string]error{"damaged": ErrDamaged, "newer-format": ErrNewerFormat, "foreign": ErrForeign, "quarantined": ErrQuarantined, "unavailable": ErrHeld} {
		for _, err := range []error{
			fmt.Errorf("%w: %w", ErrUnavailable, reason), errors.Join(reason, ErrUnavailable),
			&PartialError{Partitions: []int{1}, Reason: errors.Join(ErrUnavailable, reason)},
		} {
			if got := CodeOf(err); got != want {
				t.Errorf("%v has the code %q, want %q", err, got, want)
			}
		}
	}
}
