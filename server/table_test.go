package server

import (
	"slices"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

// operations are all that the doors of a server have.
func operations(t *testing.T) (list []string) {
	s := start(t, nil)
	for pattern := range s.adminRoutes() {
		list = append(list, "admin "+pattern)
	}
	for service, info := range s.rpc.GetServiceInfo() {
		for _, m := range info.Methods {
			list = append(list, "/"+service+"/"+m.Name)
		}
	}
	return append(list, httpapi.Operations()...)
}

func TestEachOperationOfEachDoorHasARole(t *testing.T) {
	for _, o := range operations(t) {
		if gate.Needs[o].Role == gate.None {
			t.Errorf("%s has no role in the table: nobody may call it", o)
		}
	}
}

func TestTheTableNamesNothingThatThereIsNot(t *testing.T) {
	list := operations(t)
	for o := range gate.Needs {
		if !slices.Contains(list, o) {
			t.Errorf("the table has a role for %s, which is no operation of a door", o)
		}
	}
}

func TestStreamsAreCountedAsStreams(t *testing.T) {
	for service, info := range start(t, nil).rpc.GetServiceInfo() {
		for _, m := range info.Methods {
			if name := "/" + service + "/" + m.Name; m.IsServerStream && !gate.Needs[name].Stream {
				t.Errorf("%s is a stream and not in the table as one", name)
			}
		}
	}
}

func TestReadingNeverNeedsMoreThanReader(t *testing.T) {
	for o, n := range gate.Needs {
		if len(o) > 4 && o[:4] == "GET " && n.Role != gate.Reader {
			t.Errorf("%s needs %s", o, n.Role)
		}
	}
}
