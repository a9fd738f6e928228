package spans

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/model"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTraceContextSurvivesBeingCarried(t *testing.T) {
	carried := &model.Trace{Parent: parent, State: "vendor=value"}
	sc := Carried(carried)
	if !sc.IsValid() || !sc.IsRemote() || !sc.IsSampled() || sc.TraceState().Get("vendor") != "value" {
		t.Fatalf("span context %+v", sc)
	}
	if got := Carry(sc); *got != *carried {
		t.Errorf("carried %+v, want %+v", got, carried)
	}
}

func TestWhatIsNoTraceContextIsIgnored(t *testing.T) {
	if Carry(trace.SpanContext{}) != nil {
		t.Error("an invalid span context is carried")
	}
	if Carried(nil).IsValid() {
		t.Error("nothing is a span context")
	}
	for what, text := range map[string]string{
		"empty":             "",
		"short":             parent[:54],
		"long":              parent + "-00",
		"no version":        "ff" + parent[2:],
		"no trace":          strings.Replace(parent, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1),
		"no span":           strings.Replace(parent, "b7ad6b7169203331", strings.Repeat("0", 16), 1),
		"not hex":           strings.Replace(parent, "b7ad", "b7ax", 1),
		"flags not hex":     parent[:53] + "zz",
		"other separators":  strings.ReplaceAll(parent, "-", "+"),
		"later and foreign": "01" + parent[2:] + "x",
	} {
		if Carried(&model.Trace{Parent: text}).IsValid() {
			t.Errorf("%s: %q is taken for a trace context", what, text)
		}
	}
}

func TestLaterVersionsAndBadStatesAreReadAsFarAsTheyAreKnown(t *testing.T) {
	for _, c := range []model.Trace{{Parent: "01" + parent[2:]}, {Parent: "01" + parent[2:] + "-more"}, {Parent: parent, State: "=,=,"}} {
		if sc := Carried(&c); !sc.IsValid() || sc.TraceState().Len() != 0 {
			t.Errorf("%+v: %+v", c, sc)
		}
	}
}

func TestFailureTextsAreCutBetweenCharacters(t *testing.T) {
	got := shortened(strings.Repeat("ä", maxText))
	if len(got) > maxText+3 || strings.ContainsRune(got, '\uFFFD') || !strings.HasSuffix(got, "ä...") {
		t.Errorf("%d bytes ending in %q", len(got), got[len(got)-8:])
	}
}
