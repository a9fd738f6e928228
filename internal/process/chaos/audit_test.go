//go:build unix

package chaos

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/model"
)

// sample is a ledger of three orchestrations and four signals, with a hub that is
// just what it says: one acknowledged and told of, one refused, one in doubt that
// is there; signals 0 and 1 acknowledged, 2 refused, 3 in doubt.
func sample() (*ledger, map[string]*model.Instance, *chaos.Marks) {
	l := newLedger("p-")
	l.add(&entry{id: "p-0", start: acknowledged, check: returns(int64(7)), purge: refused, told: true, output: "7", execution: model.ExecutionID{1}})
	l.add(&entry{id: "p-1", start: refused, check: returns(int64(7)), purge: refused})
	l.add(&entry{id: "p-2", start: unknown, check: returns(int64(7)), purge: refused})
	l.signals = []outcome{acknowledged, acknowledged, refused, unknown}
	list := map[string]*model.Instance{}
	for _, id := range []string{"p-0", "p-2"} {
		list[id] = &model.Instance{ID: id, Name: "Squares", Status: model.Completed, Output: []byte("7"), Execution: model.ExecutionID{1}}
	}
	return l, list, &chaos.Marks{Runs: []chaos.Run{{First: 0, Last: 1}}}
}

// TestAuditNamesWhatIsWrong makes one thing after the other wrong.
func TestAuditNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		want  string // in the error; empty: nothing is wrong
		wreck func(*ledger, map[string]*model.Instance, *chaos.Marks)
	}{
		{"", func(*ledger, map[string]*model.Instance, *chaos.Marks) {}},
		{"", func(_ *ledger, list map[string]*model.Instance, m *chaos.Marks) {
			delete(list, "p-2") // what is in doubt may be there or not
			m.Runs = []chaos.Run{{First: 0, Last: 1}, {First: 3, Last: 3}}
		}},
		{"p-0 was acknowledged and is lost", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) { delete(list, "p-0") }},
		{"p-1 was refused and is there", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) {
			list["p-1"] = &model.Instance{ID: "p-1", Status: model.Completed, Output: []byte("7")}
		}},
		{"p-0 was purged and is there", func(l *ledger, _ map[string]*model.Instance, _ *chaos.Marks) { l.byID["p-0"].purge = acknowledged }},
		{"p-0 had ended with 7, and now with 8", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) { list["p-0"].Output = []byte("8") }},
		{"p-9, Squares, is there and was never asked for", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) {
			list["p-9"] = &model.Instance{ID: "p-9", Name: "Squares"}
		}},
		{"ended as Completed with 8, expected 7", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) { list["p-2"].Output = []byte("8") }},
		{"ended as Failed", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) { list["p-0"].Status = model.Failed }},
		{"acknowledged as execution", func(_ *ledger, list map[string]*model.Instance, _ *chaos.Marks) {
			list["p-0"].Execution = model.ExecutionID{2}
		}},
		{"signals [1] to p- took effect more than once", func(_ *ledger, _ map[string]*model.Instance, m *chaos.Marks) { m.Repeated = []int64{1} }},
		{"signal 1 to p- was acknowledged and is lost", func(_ *ledger, _ map[string]*model.Instance, m *chaos.Marks) { m.Runs[0].Last = 0 }},
		{"signal 2 to p- was refused and took effect", func(_ *ledger, _ map[string]*model.Instance, m *chaos.Marks) { m.Runs[0].Last = 2 }},
		{"only 4 were sent", func(_ *ledger, _ map[string]*model.Instance, m *chaos.Marks) {
			m.Runs = append(m.Runs, chaos.Run{First: 5, Last: 5})
		}},
	} {
		l, list, marks := sample()
		c.wreck(l, list, marks)
		err := l.compare(list)
		for _, m := range list {
			if err == nil && l.byID[m.ID] != nil {
				_, err = l.ended(m)
			}
		}
		if err == nil {
			err = l.marked(marks)
		}
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("expected %q, got %q", c.want, got)
		}
	}
	if late(&chaos.Marks{Runs: []chaos.Run{{First: 3, Last: 3}}}, []int64{3}) != nil {
		t.Error("a signal in doubt may come late")
	}
	if late(&chaos.Marks{Runs: []chaos.Run{{First: 2, Last: 3}}}, []int64{3}) == nil {
		t.Error("a settled signal that took effect again went unnoticed")
	}
}
