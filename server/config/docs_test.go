package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/server/config"
)

// documented is the table of settings in docs/operating.md.
func documented() string {
	var b strings.Builder
	b.WriteString("| key | flag | variable | value | default of `server` | default of `dev` | meaning |\n|---|---|---|---|---|---|---|\n")
	code := func(v string) string {
		if v == "" {
			return ""
		}
		return "`" + v + "`"
	}
	for _, s := range config.Table {
		flag := s.Flag()
		if flag != "" {
			flag = "--" + flag
		}
		kind := s.Kind.String()
		if b := s.Bounds(); b != "" {
			kind += ", " + b
		}
		variable := code(s.Variable())
		if s.Typed {
			variable = "none, nor in the file"
		}
		prod := code(s.Default[config.Server])
		if s.Required {
			prod = "required"
		} else if s.Only != "" {
			prod = "not there"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", s.Key, code(flag), variable, kind, prod, code(s.Default[config.Dev]), s.Help)
	}
	return b.String()
}

func TestEverySettingIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := documented(); !strings.Contains(string(b), want) {
		t.Errorf("docs/operating.md does not have this table:\n%s", want)
	}
}
