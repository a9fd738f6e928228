package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/netherite-go/netherite/engine"
)

type noRoom struct{ error }

func (noRoom) HTTP() int { return http.StatusTooManyRequests }

type unused struct{}

func (unused) Engine() engine.Client { return nil }

// What is around the API says how a request is answered whose body it has not let come.
func TestABodyThatIsRefusedByWhatIsAroundIsAnsweredAsThatSays(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://localhost"+Base+"/orchestrators/A", io.NopCloser(iotest.ErrReader(noRoom{errors.New("no room")})))
	out := httptest.NewRecorder()
	Handler(unused{}).ServeHTTP(out, r)
	if out.Code != http.StatusTooManyRequests || !strings.Contains(out.Body.String(), "no room") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}
