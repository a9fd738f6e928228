package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/internal/terminal"
)

// yamlOut is where a command writes whose output is to be YAML: what it prints as
// JSON is turned into that.
type yamlOut struct{ io.Writer }

// printYAML prints a value as YAML, its members in the order that JSON has them.
// Texts are quoted as in JSON, which is YAML as well: so none is taken for a number.
func printYAML(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	dec := json.NewDecoder(&b)
	dec.UseNumber()
	var out strings.Builder
	if err := yamlValue(&out, dec, "", "\n"); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err := w.Write(terminal.JSON([]byte(strings.TrimLeft(out.String(), "\n ") + "\n"))) // whose texts are as in JSON
	return err
}

// yamlValue writes the next value; before is what comes before a list or an object
// that is not empty.
func yamlValue(out *strings.Builder, dec *json.Decoder, indent, before string) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return yamlScalar(out, token)
	}
	if !dec.More() {
		_, err = dec.Token()
		out.WriteString(" " + map[json.Delim]string{'{': "{}", '[': "[]"}[delim])
		return err
	}
	for first := true; dec.More(); first = false {
		lead := "\n" + indent
		if first && before != "\n" {
			lead = before
		}
		out.WriteString(lead)
		if delim == '[' {
			out.WriteString("-")
			if err := yamlValue(out, dec, indent+"  ", " "); err != nil {
				return err
			}
			continue
		}
		key, err := dec.Token()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s:", yamlKey(key.(string)))
		if err := yamlValue(out, dec, indent+"  ", "\n"); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func yamlScalar(out *strings.Builder, token json.Token) error {
	text, err := plainJSON(token)
	out.WriteString(" " + text)
	return err
}

// plainJSON is a value as JSON, without escapes that only HTML needs.
func plainJSON(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// yamlKey is a member's name, quoted unless it is a plain word.
func yamlKey(name string) string {
	plain := name != ""
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		plain = plain && (letter || i > 0 && (c >= '0' && c <= '9' || c == '_'))
	}
	switch strings.ToLower(name) {
	case "y", "n", "yes", "no", "true", "false", "on", "off", "null":
		plain = false
	}
	if plain {
		return name
	}
	text, _ := plainJSON(name) // a text always can
	return text
}
