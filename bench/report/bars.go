package report

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
)

// A bar stands below its label, of as many lines as it takes.
const (
	barUnits = 20
	lineGap  = 8  // above each line of a label
	barGap   = 12 // above the bar
	barAfter = 12 // below it
)

// bar is one of several amounts of the same thing.
type bar struct {
	label string
	value float64
	text  string // the value, as it is written beside the label
}

// bars draws amounts as horizontal bars, each under its label: that leaves room
// for labels of any length on a phone.
func bars(id, title, desc string, list []bar) (template.HTML, error) {
	greatest, height := 0.0, 0
	labels := make([][]string, len(list))
	for i, b := range list {
		greatest = max(greatest, b.value)
		labels[i] = wrap(b.label, narrowWidth-textWidth(b.text)-fontUnits)
		height += len(labels[i])*(fontUnits+lineGap) + barGap + barUnits + barAfter
	}
	r := chartdraw.SVG(narrowWidth, height)
	y := 0
	for i, b := range list {
		r.SetFontSize(fontUnits)
		for n, line := range labels[i] {
			y += lineGap + fontUnits
			r.SetClassName("barlabel")
			r.Text(line, 0, y)
			if n == 0 {
				r.SetClassName("barvalue")
				r.Text(b.text, narrowWidth, y)
			}
		}
		y += barGap
		box(r, "track", narrowWidth, y)
		if greatest > 0 {
			box(r, "bar", max(int(b.value/greatest*narrowWidth), 3), y)
		}
		y += barUnits + barAfter
	}
	var out bytes.Buffer
	if err := r.Save(&out); err != nil {
		return "", fmt.Errorf("draw %q: %w", title, err)
	}
	return label(out.String(), id, title, desc, narrowWidth, height), nil
}

// wrap breaks a label after commas and spaces, and cuts a word that is too long
// for a line.
func wrap(s string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && textWidth(line+" "+word) > width {
			lines, line = append(lines, line), ""
		}
		for textWidth(word) > width {
			letters := []rune(word)
			word = string(letters[:len(letters)-2]) + "…"
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// box fills a bar from the left edge.
func box(r chartdraw.Renderer, class string, width, y int) {
	r.SetClassName(class)
	r.SetFillColor(ink)
	r.MoveTo(0, y)
	r.LineTo(width, y)
	r.LineTo(width, y+barUnits)
	r.LineTo(0, y+barUnits)
	r.Close()
	r.Fill()
}
