package server

import (
	"errors"
	"time"

	"github.com/netherite-go/netherite/door/gate"
)

// source is something that is read from files, and can be read again while the
// server runs.
type source struct {
	what  string
	files []string
	read  func() (reading, error) // if it fails, what was read before stays
}

// reading is what came of reading files again.
type reading struct {
	changed bool  // it is other than before
	has     []any // what there is now, in pairs for the log
}

// sources are those of a configuration.
func (c *Config) sources(auth []gate.Authenticator, secure *liveTLS) (list []source) {
	for _, a := range auth {
		switch k := a.(type) {
		case *liveKeys:
			list = append(list, source{"the API keys", []string{c.KeysFile}, k.reload})
		case *gate.Tokens:
			if c.Tokens.KeysFile != "" {
				list = append(list, source{"the keys of tokens", []string{c.Tokens.KeysFile}, tokenKeys(k)})
			}
		}
	}
	if secure != nil {
		list = append(list, source{"the certificates", secure.files(), secure.reload})
	}
	return list
}

// tokenKeys reads the keys of tokens again.
func tokenKeys(t *gate.Tokens) func() (reading, error) {
	return func() (reading, error) {
		r, err := t.Reload()
		return reading{r.Changed, []any{"keys", r.Keys}}, err
	}
}

// Rereads reports whether there is anything that Reload reads again.
func (s *Server) Rereads() bool { return len(s.sources) > 0 }

// Reload reads API keys, certificates and keys of tokens again, for what comes now:
// connections that there are keep their certificate. What cannot be read stays as
// it was before, is in the error, and keeps nothing else from being read. The log
// says what there is now, when the first of it expires, and whether it is other than before: a file in whose place
// another was put may be one that this process does not see.
func (s *Server) Reload() error {
	var errs []error
	for _, f := range s.sources {
		r, err := f.read()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.log.Info(f.what+" were read again", append([]any{"files", f.files, "changed", r.changed}, r.has...)...)
	}
	s.keyEnds.warn(time.Time{})
	return errors.Join(errs...)
}
