package gate

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

func TestEachRoleIncludesThoseBeforeIt(t *testing.T) {
	order := []Role{Reader, Client, Worker, Admin}
	for i, has := range order {
		p := &Principal{Roles: map[string]Role{"a": has}}
		for j, need := range order {
			if got, want := p.May("a", need), j <= i; got != want {
				t.Errorf("a %s may do what needs %s: %v", has, need, got)
			}
			if p.May("b", need) {
				t.Errorf("a %s of hub a may do what needs %s in hub b", has, need)
			}
		}
	}
}

func TestARoleEverywhereIsOneInEachHub(t *testing.T) {
	p := &Principal{Roles: map[string]Role{Everywhere: Reader, "a": Worker}}
	if !p.May("b", Reader) || p.May("b", Client) || !p.May("a", Worker) || p.May("a", Admin) {
		t.Error("the roles do not add up")
	}
}

func TestNobodyMayDoWhatNeedsNoRole(t *testing.T) {
	if everybody.May("a", None) || (*Principal)(nil).May("a", Reader) {
		t.Error("what has no row in the table is allowed")
	}
}

func TestARoleThatThereIsNotIsRefusedWithThoseThatThereAre(t *testing.T) {
	for _, name := range []string{"", "none", "root", "reader "} {
		if r, err := ParseRole(name); err == nil || r != None || !strings.Contains(err.Error(), "reader, client, worker, admin") {
			t.Errorf("%q is %v, %v", name, r, err)
		}
	}
}

func FuzzParseRole(f *testing.F) {
	for _, s := range []string{"reader", "Client", "WORKER", "admin", "none", "", "adm\u0131n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		fuzztest.Bounded(t, len(name), fuzztest.Plain, func() {
			r, err := ParseRole(name)
			if (err == nil) != (r > None && r <= Admin) {
				t.Fatalf("%q is %d, %v", name, r, err)
			}
			if err == nil && !strings.EqualFold(r.String(), name) {
				t.Fatalf("%q is %s", name, r)
			}
		})
	})
}
