package sdktest_test

import (
	"net/http"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

func TestMain(m *testing.M) { sdktest.Main(m) }

func TestAServerThatWasKilledIsThereAgainOnTheSamePorts(t *testing.T) {
	s := sdktest.Start(t)
	for range 2 {
		answer, err := http.Get("http://" + s.HTTP + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		if answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Fatalf("readyz answers %d", answer.StatusCode)
		}
		s.Kill(t)
		s.Restart(t)
	}
}
