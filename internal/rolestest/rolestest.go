// Package rolestest reads what docs/reference-roles.md says each operation of a server
// needs. Tests hold the server to that page: what it enforces and what they expect of
// it then do not come from the same table.
package rolestest

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Row is what the page says of an operation.
type Row struct {
	Role   string
	Stream bool
	Audit  bool
}

// adminHeading begins the part of the page whose operations are those of the admin
// listener, which door/gate tells from others by "admin" before them.
const adminHeading = "## Admin listener"

// Page reads that page of a repository, by operation as door/gate names them.
func Page(t testing.TB, repository string) map[string]Row {
	t.Helper()
	text, err := os.ReadFile(repository + "/docs/reference-roles.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func parse(page string) (map[string]Row, error) {
	rows, before := map[string]Row{}, ""
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if line == adminHeading {
			before = "admin "
		}
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 4 {
			return nil, fmt.Errorf("%s: it has %d cells, want 4", line, len(cells))
		}
		for i, c := range cells {
			cells[i] = strings.Trim(c, " `")
		}
		operation := before + cells[0]
		if _, twice := rows[operation]; twice {
			return nil, fmt.Errorf("there are two rows of %s", operation)
		}
		rows[operation] = Row{cells[1], cells[2] == "yes", cells[3] == "yes"}
	}
	return rows, nil
}
