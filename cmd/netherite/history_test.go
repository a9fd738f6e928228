package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/model"
)

func TestAHistoryHasStraightColumnsAndNamesWhatAnAnswerIsFor(t *testing.T) {
	const second = model.Time(1_000_000_000)
	var out bytes.Buffer
	err := printHistory(&out, []model.Event{
		{Kind: model.EntityCalled, ID: 3, Name: "add", Instance: "@account@a", RequestID: "r", Time: 7 * second},
		{Kind: model.EntityLockRequested, ID: 4, RequestID: "s", Time: 7*second + second/2},
		{Kind: model.EntityResponded, ID: model.NoID, RequestID: "r", Payload: []byte("5"), Time: 7*second + 1},
		{Kind: model.EntityOperationFailed, ID: model.NoID, RequestID: "r", Time: 7*second + 1},
		{Kind: model.EntityLockGranted, ID: model.NoID, RequestID: "s", Time: 7*second + 1},
		{Kind: model.EntityResponded, ID: model.NoID, RequestID: "unknown", Time: 7*second + 1},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1970-01-01T00:00:07.000000000Z  EntityOperationCalled              #3       add  @account@a",
		"1970-01-01T00:00:07.500000000Z  EntityLockRequested                #4       ",
		"1970-01-01T00:00:07.000000001Z  EntityOperationCompleted           re #3    5",
		"1970-01-01T00:00:07.000000001Z  EntityOperationFailed              re #3    ",
		"1970-01-01T00:00:07.000000001Z  EntityLockGranted                  re #4    ",
		"1970-01-01T00:00:07.000000001Z  EntityOperationCompleted                    ",
	}
	if got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("it prints\n%s\nwant\n%s", out.String(), strings.Join(want, "\n"))
	}
}
