package server

import (
	"errors"

	"github.com/netherite-go/netherite/door/gate"
)

// source is something that is read from files, and can be read again while the
// server runs.
type source struct {
	what  string
	files []string
	read  func() error // if it fails, what was read before stays
}

// sources are those of a configuration.
func (c *Config) sources(auth []gate.Authenticator, secure *liveTLS) (list []source) {
	for _, a := range auth {
		switch k := a.(type) {
		case *liveKeys:
			list = append(list, source{"the API keys", []string{c.KeysFile}, k.reload})
		case *gate.Tokens:
			if c.Tokens.KeysFile != "" {
				list = append(list, source{"the keys of tokens", []string{c.Tokens.KeysFile}, k.Reload})
			}
		}
	}
	if secure != nil {
		list = append(list, source{"the certificates", secure.files(), secure.reload})
	}
	return list
}

// Reload reads API keys, certificates and keys of tokens again, for what comes now:
// connections that there are keep their certificate. What cannot be read stays as
// it was before, is in the error, and keeps nothing else from being read.
func (s *Server) Reload() error {
	var errs []error
	for _, f := range s.sources {
		if err := f.read(); err != nil {
			errs = append(errs, err)
			continue
		}
		s.log.Info(f.what+" were read again", "files", f.files)
	}
	return errors.Join(errs...)
}
