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
		if k, ok := a.(*liveKeys); ok {
			list = append(list, source{"the API keys", []string{c.KeysFile}, k.reload})
		}
	}
	if secure != nil {
		list = append(list, source{"the certificates", secure.files(), secure.reload})
	}
	return list
}

// Reload reads API keys and certificates again, for what comes from now on:
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
