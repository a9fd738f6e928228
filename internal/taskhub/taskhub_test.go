package taskhub_test

import (
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/netherite-go/netherite/internal/taskhub"
)

func TestTheFirstValueOfTheFirstHeaderNamesTheTaskHub(t *testing.T) {
	for want, headers := range map[string][]metadata.MD{
		"a": {
			metadata.Pairs("taskhub", "a"),
			metadata.Pairs("durable-taskhub", "a"),
			metadata.Pairs("durable-taskhub", "b", "taskhub", "a"),
			metadata.Pairs("taskhub", "a", "taskhub", "b"),
			metadata.Pairs("durable-taskhub", "a", "durable-taskhub", "b"),
			metadata.Pairs("taskhub", "", "durable-taskhub", "a"),
			metadata.Pairs("TaskHub", " a "),
		},
		"": {
			nil,
			metadata.Pairs("taskhub", ""),
			metadata.Pairs("taskhub", "", "taskhub", "b"), // the first one says that it is none
			metadata.Pairs("taskhub", " ", "durable-taskhub", "b"),
			metadata.Pairs("hub", "b"),
		},
	} {
		for _, h := range headers {
			if got := taskhub.Named(h.Get); got != want {
				t.Errorf("%v names %q, want %q", h, got, want)
			}
		}
	}
}
