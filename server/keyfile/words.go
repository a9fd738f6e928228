package keyfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The errors of package yaml that name types of Go.
var (
	misfit   = regexp.MustCompile(`(?s)^line (\d+): cannot unmarshal .* into (\S+)$`)
	stranger = regexp.MustCompile(`(?s)^line (\d+): field (.*) not found in type (\S+)$`)
)

// shape says what is where a value does not fit, by its type.
var shape = map[string]string{
	"keyfile.file":      "the file has one key, keys, with a list below it",
	"[]keyfile.entry":   "below keys is a list of API keys, each with name, roles and hashes",
	"keyfile.entry":     "an API key has name, roles and hashes",
	"map[string]string": "roles are by task hub, such as {orders: client}",
	"[]string":          "hashes are a list",
	"string":            "a text is wanted",
}

// known are the keys that there are in a type.
var known = map[string]string{"keyfile.file": "keys", "keyfile.entry": "name, roles and hashes"}

// mostSaid bounds how many mistakes are listed: where the first one is the others are
// often no mistakes.
const mostSaid = 5

// inWords says what is wrong with a file without the names of types, and without what
// is in it: somebody may have taken a file of secrets for it.
func inWords(err error) error {
	bad, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		return err
	}
	var said []string
	for _, text := range bad.Errors {
		if m := misfit.FindStringSubmatch(text); m != nil && shape[m[2]] != "" {
			text = fmt.Sprintf("line %s: %s", m[1], shape[m[2]])
		} else if m := stranger.FindStringSubmatch(text); m != nil && known[m[3]] != "" {
			text = fmt.Sprintf("line %s: there is no %q here, there is %s", m[1], m[2], known[m[3]])
		}
		said = append(said, text)
	}
	if more := len(said) - mostSaid; more > 0 {
		said = append(said[:mostSaid], fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(said, "; "))
}
