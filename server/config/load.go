package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server"
)

// Settings are what a server is started with.
type Settings struct {
	Config server.Config
	Drain  time.Duration // how long what runs may take to end
	Level  slog.Level
	JSON   bool // the form of logs
}

// values are the settings of all layers, and where each comes from.
type values struct {
	command Command
	list    []*Setting
	k       *koanf.Koanf
	origin  map[string]string
	errs    []error
}

// Load reads the settings of a command: flags that were given, then variables,
// then the file, then defaults. All that is wrong is in the error, each with the
// setting and its source.
func Load(c Command, flags *pflag.FlagSet, environ []string) (*Settings, error) {
	v := &values{command: c, list: of(c), k: koanf.New("."), origin: map[string]string{}}
	for _, load := range []func(*pflag.FlagSet, []string) error{v.fromDefaults, v.fromFile, v.fromVariables, v.fromFlags} {
		if err := load(flags, environ); err != nil {
			v.errs = append(v.errs, err)
		}
	}
	if len(v.errs) == 0 {
		v.contradictions()
	}
	if len(v.errs) > 0 {
		return nil, errors.Join(v.errs...)
	}
	return v.settings(), nil
}

func (v *values) fromDefaults(*pflag.FlagSet, []string) error {
	for _, s := range v.list {
		if s.Kind.fileOnly() {
			continue
		}
		value, err := any(""), error(nil)
		if text := s.Default[v.command]; text != "" {
			value, err = parse(s.Kind, text)
		}
		if err != nil {
			return fmt.Errorf("default of %s: %w", s.Key, err)
		}
		if err := v.k.Set(s.Key, value); err != nil {
			return err
		}
	}
	return nil
}

func (v *values) fromFile(flags *pflag.FlagSet, environ []string) error {
	path, _ := flags.GetString(configFlag)
	for _, e := range environ {
		if name, value, _ := strings.Cut(e, "="); name == configVariable && path == "" {
			path = value
		}
	}
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("file of settings %s: it is no file", path)
	}
	r := &reader{path: path, list: v.list}
	if err := v.k.Load(file.Provider(path), r); err != nil {
		return fmt.Errorf("file of settings: %w", err)
	}
	for key := range r.found { // order-free: fills a map
		v.origin[key] = fmt.Sprintf("%s:%d", path, r.lines[key])
	}
	return nil
}

func (v *values) fromVariables(_ *pflag.FlagSet, environ []string) error {
	var errs []error
	err := v.k.Load(env.Provider(".", env.Opt{
		Prefix:      prefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key, parsed, err := fromVariable(v.list, name, value)
			if err != nil {
				errs = append(errs, err)
			}
			if key != "" {
				v.origin[key] = "variable " + name
			}
			return key, parsed
		},
	}), nil)
	return errors.Join(append(errs, err)...)
}

func (v *values) fromFlags(flags *pflag.FlagSet, _ []string) error {
	var errs []error
	err := v.k.Load(posflag.ProviderWithFlag(flags, ".", v.k, func(f *pflag.Flag) (string, any) {
		key, parsed, err := fromFlag(v.list, f)
		if err != nil {
			errs = append(errs, err)
		}
		if key != "" {
			v.origin[key] = "flag --" + f.Name
		}
		return key, parsed
	}), nil)
	return errors.Join(append(errs, err)...)
}

// get is the value of a setting; the zero value if it has none.
func get[T any](v *values, key string) T {
	value, _ := v.k.Get(key).(T)
	return value
}

// given reports whether somebody set it, to something.
func (v *values) given(key string) bool {
	s, isText := v.k.Get(key).(string)
	return v.origin[key] != "" && (!isText || s != "")
}

// otherPorts are the listeners that take another port where one is taken: those of
// which a programmer's own server has chosen the port.
func (v *values) otherPorts() (keys []string) {
	if v.command != Dev {
		return nil
	}
	for _, key := range []string{"grpc", "http", "admin"} {
		if !v.given(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// said is a setting with its source, for messages.
func (v *values) said(key string) string {
	return fmt.Sprintf("%s (%s)", key, cmp.Or(v.origin[key], "not set"))
}

// settings puts the values where they belong.
func (v *values) settings() *Settings {
	s := &Settings{Drain: get[time.Duration](v, "drain"), Level: get[slog.Level](v, "log.level"), JSON: get[string](v, "log.format") == "json"}
	s.Config = server.Config{
		Data: get[string](v, "data"), GRPC: get[[]string](v, "grpc"), HTTP: get[string](v, "http"), Admin: get[string](v, "admin"),
		OnDemand: get[bool](v, "create-hubs"), OtherPorts: v.otherPorts(), Hub: get[string](v, "hub"), Partitions: get[int](v, "partitions"),
		Memory: get[int64](v, "limits.memory"), Payload: int(get[int64](v, "limits.payload")), Streams: get[int](v, "limits.streams"),
		HistoryEvents: int64(get[int](v, "limits.history")), HistoryBytes: get[int64](v, "limits.history-size"),
		Retention: get[time.Duration](v, "retention.keep"), RetentionRules: get[[]server.RetentionRule](v, "retention.rules"), RetentionRate: get[int](v, "retention.rate"),
		Cert: get[string](v, "tls.cert"), Key: get[string](v, "tls.key"), ClientCA: get[string](v, "tls.client-ca"), Insecure: get[bool](v, "insecure"),
		KeysFile: get[string](v, "keys-file"), ReadyFile: get[string](v, "ready-file"),
	}
	s.Config.Hosts, s.Config.Origins, s.Config.AuditAll = get[[]string](v, "hosts"), get[[]string](v, "origins"), get[bool](v, "audit-all")
	s.Config.Limits = server.Limits{
		Connections: get[int](v, "limits.connections"), Calls: get[int](v, "limits.calls"), Rate: get[int](v, "limits.rate"), HubRate: get[int](v, "limits.hub-rate"),
		Message: int(get[int64](v, "limits.message")), Header: int(get[int64](v, "limits.header")), Patience: get[time.Duration](v, "limits.patience"),
	}
	s.Config.Calls = v.calls()
	if get[bool](v, "memory") {
		s.Config.Data = ""
	}
	if v.given("jwt.issuer") {
		s.Config.Tokens = &gate.TokenOptions{
			Issuer: get[string](v, "jwt.issuer"), Audience: get[string](v, "jwt.audience"), KeysURL: get[string](v, "jwt.keys-url"), KeysFile: get[string](v, "jwt.keys-file"),
			Algorithms: get[[]string](v, "jwt.algorithms"), Claim: get[string](v, "jwt.claim"),
		}
	}
	if list := get[[]Certificate](v, "certificates"); len(list) > 0 {
		s.Config.Certificates = map[string]map[string]gate.Role{}
		for _, c := range list {
			s.Config.Certificates[c.Name] = c.Roles
		}
	}
	return s
}
