package httpapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
)

// TestWhatIsNotUTF8IsRefused, as JSON is UTF-8, and what was taken otherwise would be in
// the answers to others.
func TestWhatIsNotUTF8IsRefused(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.waiting("w")
	for _, c := range [][4]string{ // method, path, body, type
		{"POST", "orchestrators/Waits/x", "\"a\xff\"", ""}, {"POST", "instances/w/raiseEvent/go", "{\"\xc3\":1}", ""},
		{"POST", "entities/tally/x?op=add", "\"\xff\"", "application/json"}, {"POST", "entities/note/x?op=write", "text \xff", "text/plain"},
		{"POST", "orchestrators/Waits/x?version=%ff", "", ""}, {"POST", "orchestrators/Wa%ffits/x", "", ""}, {"POST", "orchestrators/Waits/x%ff", "", ""},
		{"POST", "instances/w/raiseEvent/g%ffo", "1", ""}, {"POST", "entities/tally/x?op=%c3", "1", ""}, {"POST", "entities/ta%fflly/x?op=add", "1", ""},
		{"POST", "instances/w/terminate?reason=%ff", "", ""}, {"POST", "instances/w/suspend?reason=%ff", "", ""},
		{"POST", "instances/w/resume?reason=%ff", "", ""}, {"POST", "instances/w/rewind?reason=%ff", "", ""},
		{"GET", "instances?instanceIdPrefix=%ff", "", ""}, {"GET", "instances/w?%ff=1", "", ""}, {"GET", "entities/ta%fflly", "", ""},
	} {
		got := a.must(400, c[0], c[1], c[2], "Content-Type", c[3])
		if text, _ := got.field("ExceptionMessage").(string); !strings.Contains(text, "not UTF-8") {
			t.Errorf("%s %s: %s", c[0], c[1], got)
		}
	}
	got := a.must(400, "POST", "orchestrators/Waits/x", "\"abc\xff\"")
	if !strings.Contains(got.String(), "byte 4") {
		t.Errorf("it does not say where: %s", got)
	}
	a.must(202, "GET", "instances/w", "")
	a.must(404, "GET", "instances/x", "")
}

// TestAnswersAreJSONWhateverPayloadsAre: programs may have payloads of bytes.
func TestAnswersAreJSONWhateverPayloadsAre(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for id, input := range map[string]string{"quoted": "\"a\xff\"", "bytes": "\x00\xff", "text": "plain"} {
		if _, err := a.hub.Engine().Start(context.Background(), engine.StartRequest{Instance: id, Name: "Nobody", Input: []byte(input)}); err != nil {
			t.Fatal(err)
		}
	}
	got := a.must(200, "GET", "instances", "")
	if !utf8.Valid(got.body) {
		t.Errorf("the list is not UTF-8: %q", got.body)
	}
	var list []struct {
		InstanceID string
		Input      any
	}
	if err := json.Unmarshal(got.body, &list); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"quoted": "ImH/Ig==", "bytes": "AP8=", "text": "plain"}
	for _, i := range list {
		if i.Input != want[i.InstanceID] {
			t.Errorf("the input of %s is %v, want %v", i.InstanceID, i.Input, want[i.InstanceID])
		}
	}
	if len(list) != len(want) {
		t.Errorf("listed: %+v", list)
	}
}
