package main

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/model"
)

func TestQuarantinedInstanceShowsWhatARetryApplies(t *testing.T) {
	j := toWaits(&model.Instance{Status: model.Running, Waits: &model.Waits{
		Messages: 3, HeldCount: 3,
		Held: []model.WaitHeld{{Kind: model.EventRaised, Name: "Go", From: "other"}, {Kind: model.TaskCompleted}},
		Quarantine: &model.Failure{Type: model.FailureQuarantined, Message: "boom", Properties: map[string][]byte{
			"time": []byte(`"2026-01-01T00:00:00.000Z"`), "event": []byte(`"message EventRaised"`), "name": []byte(`"Go"`),
			"from": []byte(`"other"`), "payload": []byte(`"1"`), "retry": []byte(`"delivers it"`),
		}},
	}})
	var out strings.Builder
	printWaits(&out, j)
	want := `waiting for:
  quarantined: Quarantined: boom
    at 2026-01-01T00:00:00.000Z, by a message EventRaised Go from "other": 1
    a retry delivers it
    held for a retry: EventRaised Go from "other"
    held for a retry: TaskCompleted
    held for a retry: 1 more
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if j.Step != "" {
		t.Errorf("its step is %s, which nobody gets", j.Step)
	}
}
