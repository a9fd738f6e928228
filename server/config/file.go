package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/knadh/koanf/maps"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds the file of settings.
const maxFile = 1 << 20

// reader reads a file of settings, strictly: each error names the line.
type reader struct {
	path  string
	list  []*Setting
	found map[string]any
	lines map[string]int
	errs  []error
}

// Unmarshal implements koanf.Parser.
func (r *reader) Unmarshal(b []byte) (map[string]any, error) {
	r.found, r.lines = map[string]any{}, map[string]int{}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: it has %d bytes, a file of settings has at most %d", r.path, len(b), maxFile)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		if !strings.Contains(err.Error(), "yaml: line ") { // the package leaves the first one out
			return nil, fmt.Errorf("%s:1: %w", r.path, err)
		}
		return nil, fmt.Errorf("%s: %w", r.path, err)
	}
	if len(doc.Content) > 0 {
		r.mapping("", doc.Content[0])
	}
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return maps.Unflatten(r.found, "."), nil
}

// Marshal implements koanf.Parser.
func (*reader) Marshal(map[string]any) ([]byte, error) {
	return nil, errors.New("settings are read only")
}

func (r *reader) fail(n *yaml.Node, key, format string, args ...any) {
	if key != "" { // else it is about the whole file
		key += ": "
	}
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s%w", r.path, n.Line, key, fmt.Errorf(format, args...)))
}

// mapping reads the settings below a key.
func (r *reader) mapping(above string, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a key without anything below it
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, strings.TrimSuffix(above, "."), "here go settings by their keys")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := above + k.Value
		s := find(r.list, func(s *Setting) bool { return s.Key == key })
		group := find(r.list, func(s *Setting) bool { return strings.HasPrefix(s.Key, key+".") }) != nil
		switch {
		case r.lines[key] != 0:
			r.fail(k, key, "it is set twice, also in line %d", r.lines[key])
			continue
		case s != nil && s.Typed:
			r.fail(k, key, "%w", errTyped)
		case s != nil:
			r.setting(s, v)
		case group:
			r.mapping(key+".", v)
		case find(of(Dev), func(s *Setting) bool { return s.Key == key }) != nil:
			r.fail(k, key, "it is for netherite dev only")
		default:
			r.fail(k, key, "there is no such setting%s", similar(r.list, key, func(s *Setting) string { return s.Key }))
		}
		r.lines[key] = k.Line
	}
}

// setting reads one value.
func (r *reader) setting(s *Setting, n *yaml.Node) {
	var value any
	var err error
	switch s.Kind {
	case texts, addresses:
		var items []string
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			value, err = parse(s.Kind, n.Value)
			break
		}
		if err = n.Decode(&items); err == nil {
			err = checkList(s.Kind, items)
		} else {
			err = errors.New("a list is wanted")
		}
		value = items
	case certificates:
		value, err = readCertificates(n)
	case rules:
		value, err = readRules(n)
	default:
		value, err = scalar(s.Kind, n)
	}
	if err != nil {
		r.fail(n, s.Key, "%w", err)
		return
	}
	r.found[s.Key] = value
}

// typeOf says what YAML takes a value for.
func typeOf(n *yaml.Node) string {
	switch n.Tag {
	case "!!str":
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			return "a text, as it has quotes"
		}
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	}
	return "something else (" + n.Tag + ")"
}

// scalar reads a single value, whose type must be that of the setting: a port
// that YAML takes for a number in base 60 is not guessed at.
func scalar(k kind, n *yaml.Node) (any, error) {
	if n.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("one value is wanted (%s)", strings.ReplaceAll(k.String(), "`", ""))
	}
	want := "!!str"
	switch k {
	case number:
		want = "!!int"
	case yes:
		want = "!!bool"
	case bytes:
		if n.Tag == "!!int" {
			want = "!!int"
		}
	}
	if n.Tag != want {
		return nil, fmt.Errorf("%s is wanted, %q is %s", strings.ReplaceAll(k.String(), "`", ""), n.Value, typeOf(n))
	}
	return parse(k, n.Value)
}
