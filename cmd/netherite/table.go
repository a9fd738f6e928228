package main

import (
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/netherite-go/netherite/internal/terminal"
)

// grid is a table, whose cells are safe to show.
type grid struct{ table.Writer }

func newTable(out io.Writer, header ...any) grid {
	g := grid{table.NewWriter()}
	g.SetOutputMirror(out)
	g.SetStyle(table.StyleLight)
	g.AppendHeader(header)
	return g
}

// row adds a row. Numbers stay numbers, which are to the right.
func (g grid) row(cells ...any) {
	for i, c := range cells {
		if text, ok := c.(string); ok {
			cells[i] = string(terminal.Text(text))
		}
	}
	g.AppendRow(cells)
}
