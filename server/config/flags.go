package config

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Flags adds the flags of a command's settings, and --config.
func Flags(f *pflag.FlagSet, c Command) {
	f.String(configFlag, "", "file of settings, YAML; also "+configVariable)
	for _, s := range of(c) {
		if s.Flag() == "" {
			continue
		}
		help := strings.ReplaceAll(s.Help, "`", "")
		if b := s.Bounds(); b != "" {
			help += ", " + b
		}
		if s.Required && c == Server {
			help += " (required)"
		}
		v := &flagValue{kind: s.Kind, text: s.Default[c]}
		f.Var(v, s.Flag(), help)
		if s.Kind == yes {
			f.Lookup(s.Flag()).NoOptDefVal = "true"
		}
	}
}

const (
	configFlag     = "config"
	configVariable = prefix + "CONFIG"
)

// flagValue is the value of a flag, checked where it is given.
type flagValue struct {
	kind kind
	text string
	more bool // it was given before: a list goes on
}

var _ pflag.Value = (*flagValue)(nil)

// String implements pflag.Value.
func (v *flagValue) String() string { return v.text }

// Set implements pflag.Value.
func (v *flagValue) Set(text string) error {
	if _, err := parse(v.kind, text); err != nil {
		return err
	}
	if v.more && (v.kind == texts || v.kind == addresses) {
		text = v.text + "," + text
	}
	v.text, v.more = text, true
	return nil
}

// Type implements pflag.Value: how a help text names the value.
func (v *flagValue) Type() string {
	names := map[kind]string{
		text: "TEXT", texts: "TEXT,...", number: "N", bytes: "SIZE", span: "DURATION", keepSpan: "DURATION", yes: "bool",
		address: "HOST:PORT", addresses: "HOST:PORT,...", level: "LEVEL",
	}
	return names[v.kind]
}

// fromFlag is the key and value of a flag that was given.
func fromFlag(list []*Setting, f *pflag.Flag) (key string, value any, err error) {
	s := find(list, func(s *Setting) bool { return s.Flag() == f.Name })
	if s == nil || !f.Changed {
		return "", nil, nil
	}
	if value, err = parse(s.Kind, f.Value.String()); err != nil {
		return "", nil, fmt.Errorf("flag --%s: %w", f.Name, err)
	}
	return s.Key, value, nil
}
