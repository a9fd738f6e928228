package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// foreign are variables that begin as ours do and are not for the server: those of
// the commands that call one, of this project's tests, and those that Kubernetes
// gives all containers beside a service whose name begins with "netherite".
var foreign = regexp.MustCompile(`^NETHERITE_(SERVER|API_KEY|API_KEY_FILE|CONTEXT|CONTEXTS|TLS_CA|(SWEEP|METAMORPHIC|LINEAR|E2E|TEST)(_.*)?|(.*_)?SERVICE_HOST|(.*_)?SERVICE_PORT(_.*)?|(.*_)?PORT(_[0-9]+_(TCP|UDP|SCTP).*)?)$`)

// errTyped refuses a setting where it would be forgotten.
var errTyped = errors.New("this is a flag only, which has to be typed at each start")

// fromVariable is the key and value of a variable.
func fromVariable(list []*Setting, name, text string) (key string, value any, err error) {
	s := find(list, func(s *Setting) bool { return s.Variable() == name })
	switch {
	case s == nil && (name == configVariable || foreign.MatchString(name)):
		return "", nil, nil
	case s == nil && find(list, func(s *Setting) bool { return s.Typed && s.variable() == name }) != nil:
		return "", nil, fmt.Errorf("variable %s: %w", name, errTyped)
	case s == nil && find(of(Dev), func(s *Setting) bool { return s.Variable() == name }) != nil:
		return "", nil, fmt.Errorf("variable %s: it is for netherite dev only", name)
	case s == nil:
		return "", nil, fmt.Errorf("variable %s: there is no such setting%s", name, similar(list, name, (*Setting).Variable))
	}
	if value, err = parse(s.Kind, strings.TrimSpace(text)); err != nil {
		return "", nil, fmt.Errorf("variable %s: %w", name, err)
	}
	return s.Key, value, nil
}
