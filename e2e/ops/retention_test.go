package ops_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netherite-go/netherite/door/httpapi"
)

// rules keep what ended in one task hub, and one name of the others; what was
// terminated there otherwise is kept for a second.
const rules = `
retention:
  keep: forever
  rules:
    - hub: orders
      keep: forever
    - name: Kept*
      keep: forever
    - status: Terminated
      keep: 1s
`

func TestWhatIsKeptForHowLongIsSaidByHubStatusAndName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "netherite.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, append([]string{"dev", "--data", filepath.Join(dir, "data"), "--config", file}, loopback...)...)
	at := func(path, hub string) string {
		return "http://" + p.place.HTTP + httpapi.Base + path + "?taskHub=" + hub
	}
	for _, hub := range []string{"orders", "other"} {
		for _, name := range []string{"Gone", "KeptLong", "Alive"} {
			if code, text := ask(t, "POST", at("/orchestrators/"+name+"/"+name, hub), ""); code != 202 {
				t.Fatalf("start %s: %d %s", name, code, text)
			}
			if name == "Alive" {
				continue
			}
			if code, text := ask(t, "POST", at("/instances/"+name+"/terminate", hub), ""); code != 202 {
				t.Fatalf("terminate %s: %d %s", name, code, text)
			}
		}
	}
	tick, late := time.NewTicker(50*time.Millisecond), time.After(limit)
	defer tick.Stop()
	for code := 0; code != 404; code, _ = ask(t, "GET", at("/instances/Gone", "other"), "") {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("what is to be kept for a second is still there")
		}
	}
	for _, kept := range [][2]string{{"other", "KeptLong"}, {"other", "Alive"}, {"orders", "Gone"}, {"orders", "KeptLong"}, {"orders", "Alive"}} {
		if code, _ := ask(t, "GET", at("/instances/"+kept[1], kept[0]), ""); code != 200 && code != 202 {
			t.Errorf("%s of hub %s: %d", kept[1], kept[0], code)
		}
	}
}
