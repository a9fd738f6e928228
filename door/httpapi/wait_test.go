package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/httpapi"
)

// closing is a body that tells when it is closed.
type closing struct {
	io.Reader
	closed chan struct{}
}

// Close implements io.Closer.
func (c closing) Close() error {
	close(c.closed)
	return nil
}

// What bounds the memory of bodies must not hold that of starts that have been made for as
// long as their callers wait: what they wait for may be another message.
func TestWhoWaitsForTheEndHasNoBodyAnyMore(t *testing.T) {
	a := serve(t, httpapi.Options{})
	ctx, gone := context.WithCancel(t.Context())
	c := closing{strings.NewReader(`"input"`), make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+httpapi.Base+"/orchestrators/Waits/one?timeout=3600", c)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.door.ServeHTTP(httptest.NewRecorder(), r)
	}()
	select {
	case <-c.closed:
	case <-ended:
		t.Error("it does not wait")
	}
	gone()
	<-ended
}
