package metamorphic_test

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/netherite-go/netherite/durable/seal"
)

// sealing is the codec of sealed payloads. It reads plain ones, too: the output of who
// is terminated is what the client gave.
var sealing = func() *seal.Codec {
	codec, err := seal.New(seal.Options{Keys: []seal.Key{{ID: "k", Secret: bytes.Repeat([]byte{7}, seal.SecretBytes)}}, Context: "metamorphic", ReadPlain: true})
	if err != nil {
		panic(err)
	}
	return codec
}()

var sealedPayload = regexp.MustCompile(`"nsl1\.[\w.-]+"`)

// opened is a text with each sealed payload in it as a plain one. What does not open
// stays, and is a difference.
func opened(text string) string {
	return sealedPayload.ReplaceAllStringFunc(text, func(payload string) string {
		var plain json.RawMessage
		if err := sealing.Decode([]byte(payload), &plain); err != nil {
			return payload
		}
		return string(plain)
	})
}
