package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
)

func TestAStartAnswersWithWhereItCanBeFollowed(t *testing.T) {
	a := serve(t, httpapi.Options{})
	got := a.must(202, "POST", "orchestrators/Waits/one?taskHub=mine&connection=Storage&code=a%2Fb%3D", `{"n":1}`)
	root := a.server.URL + httpapi.Base + "/instances/one"
	const who = "taskHub=mine&connection=Storage&code=a%2Fb%3D"
	for name, want := range map[string]string{
		"id": "one", "statusQueryGetUri": root + "?" + who, "purgeHistoryDeleteUri": root + "?" + who,
		"sendEventPostUri": root + "/raiseEvent/{eventName}?" + who, "restartPostUri": root + "/restart?" + who,
		"terminatePostUri": root + "/terminate?reason={text}&" + who, "suspendPostUri": root + "/suspend?reason={text}&" + who,
		"resumePostUri": root + "/resume?reason={text}&" + who, "rewindPostUri": root + "/rewind?reason={text}&" + who,
	} {
		if got.field(name) != want {
			t.Errorf("%s is %v, want %s", name, got.field(name), want)
		}
	}
	if l := got.header.Get("Location"); l != root+"?"+who || got.header.Get("Retry-After") != "10" {
		t.Errorf("Location %q, Retry-After %q", l, got.header.Get("Retry-After"))
	}
	a.reach("one", engine.UntilStarted)
	a.must(202, "GET", got.header.Get("Location"), "")
	a.must(202, "POST", strings.Replace(got.field("sendEventPostUri").(string), "{eventName}", "go", 1), `[1, "two"]`)
	a.reach("one", engine.UntilEnded)
	for _, path := range []string{"restartPostUri", "statusQueryGetUri"} {
		if code := a.do(map[string]string{"restartPostUri": "POST", "statusQueryGetUri": "GET"}[path], got.field(path).(string), "").code; code >= 300 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if made := a.must(202, "POST", "orchestrators/Waits", "").field("id").(string); made == "" {
		t.Error("no ID was made up")
	}
}

func TestAStartWaitsForTheEndIfAsked(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for _, c := range []struct {
		path, body string
		code       int
		want       string // regular expression of the body
	}{
		{"Hello/a?timeout=60&pollingInterval=1", `"Ada"`, 200, `^"Hello Ada!"$`},
		{"Hello/b?TIMEOUT=60", `"Bob"`, 200, `^"Hello Bob!"$`},
		{"Fails/c?timeout=60.5", ``, 200, `"instanceId":"c","runtimeStatus":"Failed","input":null.*"output":".*no luck`},
		{"Waits/d?timeout=0.01", ``, 202, `"id":"d"`},
		{"Waits/e?timeout=99999999999999", ``, 400, `timeout is \\"99999999999999\\", it must be a number of seconds from 0 to 9223372036`},
		{"Waits/e?timeout=-1", ``, 400, `from 0 to 9223372036`},
		{"Hello/e?timeout=0", `"Eve"`, 202, `"id":"e"`},
		{"Hello/f?timeout=1&pollingInterval=2", `"F"`, 400, `pollingInterval is longer`},
		{"Hello/g?timeout=soon", `"G"`, 400, `timeout is \\"soon\\"`},
		{"Hello/g?timeout=-1", `"G"`, 400, `timeout is`},
		{"Hello/g?timeout=NaN", `"G"`, 400, `timeout is`},
		{"Hello/g?timeout=1e300", `"G"`, 400, `timeout is`},
		{"Hello/h", `{"n":`, 400, `not JSON`},
		{"Hello/i%5Cj", `1`, 400, `invalid instance ID`},
		{"Hello/i%2Fj", `1`, 400, `i/j`},
		{"Hello/@e@1", `1`, 400, ``},
		{"Hello/" + strings.Repeat("x", 257), `1`, 400, `at most 256`},
		{"Hello/" + strings.Repeat("x", 256) + "?timeout=60", `"X"`, 200, `Hello X`},
		{"Waits/d", ``, 409, `exists`},
		{"Hello/k", `"` + strings.Repeat("x", 3<<20) + `"`, 413, `at most|too large`},
		{"Hello/k", `"` + strings.Repeat("x", 5<<20) + `"`, 413, `the body has more than 4194304 bytes, .* limits\.payload`},
	} {
		got := a.must(c.code, "POST", "orchestrators/"+c.path, c.body)
		if !regexp.MustCompile(c.want).MatchString(got.String()) {
			t.Errorf("%.60s: %.300s, want %s", c.path, got, c.want)
		}
	}
}

func TestAStatusSaysWhatIsAskedFor(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.waiting("w")
	a.ended("Hello", "done", `"Ada"`)
	a.ended("Fails", "failed", `{"n":1}`)
	a.must(202, "POST", "orchestrators/Nobody/pending", `"raw"`)
	if err := a.hub.Engine().Signal(t.Context(), engine.SignalRequest{Entity: "@tally@x", Operation: "add", Input: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path      string
		code      int
		want, not string
	}{
		{"w", 202, `"name":"Waits","instanceId":"w","runtimeStatus":"Running","input":null,"customStatus":{"step":1},"output":null,"createdTime":"....-..-..T..:..:..Z","lastUpdatedTime":"....-..-..T..:..:..Z"}`, "historyEvents"},
		{"done", 200, `"input":"Ada","customStatus":null,"output":"Hello Ada!"`, "historyEvents"},
		{"done?showInput=false", 200, `"input":null`, "Ada\""},
		{"done?ShowInput=FALSE&showHistory=True", 200, `"FunctionName":"Greet"`, `"Input"|"Result"|"EventId"|"TaskScheduledId"|OrchestratorStarted|"TaskScheduled"`},
		{"done?showHistory=true&showHistoryOutput=true", 200, `"EventType":"TaskCompleted","FunctionName":"Greet","Input":"Ada","Result":"Hello Ada!","ScheduledTime":`, `"EventId"`},
		{"pending?showHistory=true", 202, `"runtimeStatus":"Pending","input":"raw"`, "historyEvents"},
		{"failed", 200, `"runtimeStatus":"Failed".*no luck`, "Message"},
		{"failed?returnInternalServerErrorOnFailure=true", 500, `"runtimeStatus":"Failed"`, "Message"},
		{"done?returnInternalServerErrorOnFailure=true", 200, `Completed`, "Message"},
		{"missing", 404, `\\"missing\\": instance not found`, ""},
		{"@tally@x", 404, `not found`, ""},
		{"done?showInput=perhaps", 400, `showInput is \\"perhaps\\"`, ""},
	} {
		got := a.do("GET", "instances/"+c.path, "")
		if got.code != c.code || !regexp.MustCompile(c.want).MatchString(got.String()) || c.not != "" && regexp.MustCompile(c.not).MatchString(got.String()) {
			t.Errorf("%s: %d %s, want %d %s, and no %s", c.path, got.code, got, c.code, c.want, c.not)
		}
		if follow := got.header.Get("Location"); (c.code == 202) != (follow != "" && got.header.Get("Retry-After") == "5") {
			t.Errorf("%s: Location %q, Retry-After %q", c.path, follow, got.header.Get("Retry-After"))
		}
	}
}

func TestCommandsAreTakenByWhatLives(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.ended("Hello", "done", `"Ada"`)
	a.ended("Fails", "failed", ``)
	a.waiting("w")
	for _, c := range []struct {
		path, body string
		kind       string
		code       int
	}{
		{"w/raiseEvent/other", `{"a":1}`, "application/json; charset=utf-8", 202},
		{"w/RAISEEVENT/other", ``, "application/json", 202},
		{"w/raiseEvent/other", `{"a":`, "application/json", 400},
		{"w/raiseEvent/other", `{"a":`, "", 400},
		{"w/raiseEvent/other", `1`, "application/x-www-form-urlencoded", 202}, // curl -d
		{"w/raiseEvent/other", `1`, "text/plain", 202},
		{"w/raiseEvent/other", ``, "", 202},
		{"w/raiseEvent", `1`, "application/json", 404},
		{"missing/raiseEvent/go", `1`, "application/json", 404},
		{"done/raiseEvent/go", `1`, "application/json", 410},
		{"w/suspend?reason=why", ``, "", 202},
		{"w/suspend", ``, "", 202},
		{"w/Resume?reason=so", ``, "", 202},
		{"missing/suspend", ``, "", 404}, {"done/suspend", ``, "", 410}, {"@tally@x/suspend", ``, "", 404},
		{"missing/resume", ``, "", 404}, {"done/resume", ``, "", 410},
		{"missing/terminate", ``, "", 404}, {"done/terminate", ``, "", 410},
		{"missing/rewind", ``, "", 404}, {"done/rewind", ``, "", 410}, {"w/rewind", ``, "", 412},
		{"failed/rewind?reason=again", ``, "", 202},
		{"missing/restart", ``, "", 400},
		{"w/restart?restartWithNewInstanceId=false", ``, "", 409},
		{"w/restart?restartWithNewInstanceId=maybe", ``, "", 400},
		{"done/restart?restartWithNewInstanceId=false&timeout=60", ``, "", 200},
		{"done/restart", ``, "", 202},
		{"w/terminate?reason=that%27s%20it", ``, "", 202},
		{"w/nothing", ``, "", 404},
	} {
		a.must(c.code, "POST", "instances/"+c.path, c.body, "Content-Type", c.kind)
	}
	if got := a.must(200, "GET", "instances/w", ""); got.field("output") != "that's it" || got.field("runtimeStatus") != "Terminated" {
		t.Errorf("after its termination: %s", got)
	}
	history := a.must(200, "GET", "instances/w?showHistory=true", "").String()
	for _, want := range []string{`"EventType":"ExecutionSuspended","Reason":"why"`, `"EventType":"ExecutionResumed","Reason":"so"`, `"EventType":"EventRaised","Input":{"a":1},"Name":"other"`} {
		if !strings.Contains(history, want) {
			t.Errorf("the history has no %s: %s", want, history)
		}
	}
}

func TestAListIsFilteredAndPaged(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for i := range 7 {
		a.ended("Hello", fmt.Sprint("h", i), `"Ada"`)
	}
	a.waiting("w")
	a.must(202, "POST", "entities/tally/x?op=add", `1`)
	ids := func(path string) (list []string) {
		t.Helper()
		token := ""
		for pages := 0; ; pages++ {
			got := a.must(200, "GET", path, "", "X-MS-Continuation-Token", token)
			for _, m := range regexp.MustCompile(`"instanceId":"([^"]*)"`).FindAllStringSubmatch(got.String(), -1) {
				list = append(list, m[1])
			}
			if token = got.header.Get("x-ms-continuation-token"); token == "" {
				break
			}
			if pages > 20 {
				t.Fatal("the pages do not end")
			}
		}
		slices.Sort(list)
		return list
	}
	past, future := url.QueryEscape(time.Unix(1, 0).Format(time.RFC3339Nano)), "2999-01-01T00:00:00+01:00"
	hellos := []string{"h0", "h1", "h2", "h3", "h4", "h5", "h6"}
	for path, want := range map[string][]string{
		"instances": append(slices.Clone(hellos), "w"), "instances?top=3": append(slices.Clone(hellos), "w"),
		"instances?runtimeStatus=Running": {"w"}, "instances?runtimeStatus=completed&runtimeStatus=failed&top=2": hellos,
		"instances?runtimeStatus=Running,%20Completed": append(slices.Clone(hellos), "w"), "instances?instanceIdPrefix=h3": {"h3"},
		"instances?createdTimeFrom=" + past + "&createdTimeTo=" + future + "&instanceIdPrefix=w": {"w"},
		"instances?createdTimeFrom=" + future:                                                    nil, "instances?createdTimeTo=1971-01-01": nil,
	} {
		if got := ids(path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if got := a.must(200, "GET", "instances?createdTimeTo=1971-01-01T00:00", "").String(); got != "[]" {
		t.Errorf("none at all: %s", got)
	}
	if got := a.must(200, "GET", "instances?showInput=false", "").String(); strings.Contains(got, `"input":"Ada"`) {
		t.Errorf("inputs: %s", got)
	}
	for _, path := range []string{"instances?top=0", "instances?top=x", "instances?runtimeStatus=Sleeping", "instances?createdTimeFrom=yesterday", "instances?showInput=2"} {
		a.must(400, "GET", path, "")
	}
	a.must(400, "GET", "instances", "", "X-MS-Continuation-Token", "forged")
}

func TestPurgeForgetsWhatHasEnded(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for i := range 3 {
		a.ended("Hello", fmt.Sprint("h", i), `"Ada"`)
	}
	a.ended("Fails", "f", ``)
	a.waiting("w")
	for _, c := range []struct {
		path string
		code int
		want string
	}{
		{"instances/h0", 200, `{"instancesDeleted":1}`}, {"instances/h0", 404, ""}, {"instances/w", 200, `{"instancesDeleted":0}`},
		{"instances/@tally@x", 404, ""},
		{"instances", 400, ""}, {"instances?createdTimeFrom=x", 400, ""}, {"instances?createdTimeFrom=2999-01-01", 404, ""},
		{"instances?createdTimeFrom=2020-01-01&runtimeStatus=Failed", 200, `{"instancesDeleted":1}`},
		{"instances?createdTimeFrom=2020-01-01&createdTimeTo=2020-01-02", 404, ""},
		{"instances?createdTimeFrom=2020-01-01", 200, `{"instancesDeleted":2}`},
	} {
		if got := a.must(c.code, http.MethodDelete, c.path, ""); c.want != "" && got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	a.must(202, "GET", "instances/w", "")
}
