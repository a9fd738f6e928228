package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"strings"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// The units of a plot: a phone shows narrowWidth of them on some 340 pixels, so
// that fontUnits become 12. A wide plot has the same height and fills a desk's
// screen; it is shown instead where there is room.
const (
	narrowWidth = 700
	wideWidth   = 1800
	plotHeight  = 440
	fontUnits   = 25

	marginTop    = 24
	marginRight  = 34
	marginBottom = 88
	labelGap     = 12
	tickUnits    = 8
)

// ink is any colour at all: the library then writes class names, and the style
// sheet says what they look like.
var ink = drawing.Color{A: 255}

// plot is a picture of numbers over one axis of others.
type plot struct {
	title string // for those who cannot see it, as is desc
	desc  string
	x, y  *scale
	xName string
	lines []line
	marks []mark // of what happened when
	rules []rule // of limits
}

// line is one series. Points without a positive value on a logarithmic scale are
// gaps.
type line struct {
	name   string
	class  string // l1 to l6
	xs, ys []float64
	dots   bool
}

// mark says that something happened at some time between two moments. It is a bar
// over that time, above the plot: nobody knows when exactly.
type mark struct {
	from, to float64
	n        int64 // how often; the bar is the thicker
	class    string
	row      int // kinds of marks are one below the other
}

// markUnits is the height of a row of marks: from one to thickestMark thirds of
// it are filled.
const (
	markUnits    = 12
	thickestMark = 3
)

type rule struct {
	at    float64
	class string
}

// svg draws the plot at a width. id is unique in the page.
func (p *plot) svg(id string, width int) (template.HTML, error) {
	left := labelGap + tickUnits
	for _, t := range p.y.ticks {
		left = max(left, labelGap+tickUnits+textWidth(t.label))
	}
	x, y := *p.x, *p.y // the library writes into them
	c := chartdraw.Chart{
		Width: width, Height: plotHeight,
		Background: chartdraw.Style{ClassName: "back", Padding: chartdraw.NewBox(marginTop, left, marginRight, marginBottom)},
		Canvas:     chartdraw.Style{ClassName: "back"},
		XAxis:      chartdraw.XAxis{Style: chartdraw.Hidden(), Range: &x},
		YAxis:      chartdraw.YAxis{Style: chartdraw.Hidden(), Range: &y},
		// Unused, but it has to have a range.
		YAxisSecondary: chartdraw.YAxis{Style: chartdraw.Hidden(), Range: &scale{max: 1}},
		Series:         append([]chartdraw.Series{layer{p.frame}}, p.series()...),
	}
	var out bytes.Buffer
	if err := c.Render(chartdraw.SVG, &out); err != nil {
		return "", fmt.Errorf("plot %q: %w", p.title, err)
	}
	return label(out.String(), id, p.title, p.desc, width, plotHeight), nil
}

// label gives the drawing a name and a description, for those who hear it.
func label(svg, id, title, desc string, width, height int) template.HTML {
	_, body, _ := strings.Cut(svg, ">")
	return template.HTML(fmt.Sprintf( // of our own making, but for the texts, which are escaped
		`<svg viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>%s`,
		width, height, id, id, id, html.EscapeString(title), id, html.EscapeString(desc), body))
}

// layer is drawn like a series, but has no values of its own.
type layer struct {
	draw func(r chartdraw.Renderer, box chartdraw.Box, x, y chartdraw.Range)
}

// GetName implements chartdraw.Series, as do the following.
func (layer) GetName() string { return "" }

// GetYAxis implements chartdraw.Series.
func (layer) GetYAxis() chartdraw.YAxisType { return chartdraw.YAxisPrimary }

// GetStyle implements chartdraw.Series.
func (layer) GetStyle() chartdraw.Style { return chartdraw.Style{} }

// Validate implements chartdraw.Series.
func (layer) Validate() error { return nil }

// Render implements chartdraw.Series.
func (l layer) Render(r chartdraw.Renderer, box chartdraw.Box, x, y chartdraw.Range, _ chartdraw.Style) {
	l.draw(r, box, x, y)
}

// frame draws axes, grid, marks and limits. Labels hang on the style sheet's
// text-anchor, as nobody knows the reader's font.
func (p *plot) frame(r chartdraw.Renderer, box chartdraw.Box, x, y chartdraw.Range) {
	stroke := func(class string, x0, y0, x1, y1 int) {
		r.SetClassName(class)
		r.SetStrokeColor(ink)
		r.MoveTo(x0, y0)
		r.LineTo(x1, y1)
		r.Stroke()
	}
	text := func(class, s string, x, y int) {
		r.SetClassName(class)
		r.SetFontSize(fontUnits)
		r.Text(s, x, y)
	}
	for _, t := range p.y.ticks {
		at := box.Bottom - y.Translate(t.at)
		stroke("grid", box.Left, at, box.Right, at)
		text("ylabel", t.label, box.Left-labelGap, at+fontUnits/3)
	}
	for _, m := range p.marks {
		from, to := box.Left+x.Translate(m.from), box.Left+x.Translate(m.to)
		at := box.Top - marginTop + markUnits*m.row + markUnits/2
		stroke(fmt.Sprintf("%s n%d", m.class, min(m.n, thickestMark)), from+1, at, max(to-1, from+2), at)
	}
	for _, l := range p.rules {
		at := box.Bottom - y.Translate(l.at)
		stroke(l.class, box.Left, at, box.Right, at)
	}
	stroke("axis", box.Left, box.Bottom, box.Right, box.Bottom)
	free := 0 // up to where the labels reach: those that would touch are left out
	for _, t := range p.x.ticks {
		at, half := box.Left+x.Translate(t.at), textWidth(t.label)/2
		stroke("axis", at, box.Bottom, at, box.Bottom+tickUnits)
		if at-half >= free && at+half <= box.Right+marginRight {
			text("xlabel", t.label, at, box.Bottom+tickUnits+fontUnits+2)
			free = at + half + fontUnits/2
		}
	}
	text("xname", p.xName, (box.Left+box.Right)/2, plotHeight-10)
}

// series are the lines for the library, each cut at its gaps.
func (p *plot) series() (list []chartdraw.Series) {
	for _, l := range p.lines {
		style := chartdraw.Style{ClassName: "line " + l.class, StrokeColor: ink, StrokeWidth: 1, DotColor: ink}
		from := 0
		for i := 0; i <= len(l.ys); i++ {
			if i < len(l.ys) && (l.ys[i] > 0 || !p.y.log) {
				continue
			}
			if i > from {
				part := chartdraw.ContinuousSeries{Style: style, XValues: l.xs[from:i], YValues: l.ys[from:i]}
				if l.dots || i-from == 1 {
					part.Style.DotWidth = 5
				}
				list = append(list, part)
			}
			from = i + 1
		}
	}
	return list
}

// textWidth is about the width of a text in the widest of the usual fonts.
func textWidth(s string) int { return len([]rune(s)) * fontUnits * 62 / 100 }
