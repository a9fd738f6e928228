package report

import (
	_ "embed" // for the page and its style
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/bench/rows"
)

//go:embed page.gohtml
var pageText string

//go:embed style.css
var styleText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// maxRows bounds a page that somebody is to read.
const maxRows = 500

// Write writes the page of some rows, of any workloads and from any number of
// files.
func Write(w io.Writer, list []rows.Row) error { return WritePart(w, list, len(list)) }

// WritePart writes the page of the first of so many runs, of which the others
// were not made. The page says so.
func WritePart(w io.Writer, list []rows.Row, planned int) error {
	if len(list) == 0 || len(list) > maxRows {
		return fmt.Errorf("a report of %d rows: 1 to %d are possible", len(list), maxRows)
	}
	doc, err := build(list)
	if err != nil {
		return err
	}
	if planned > len(list) {
		doc.Lead = fmt.Sprintf("Made in part only, as it was broken off: %d of %s. %s", len(list), count(planned, "run"), doc.Lead)
	}
	if err := pageTemplate.Execute(w, doc); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// document is what the template shows.
type document struct {
	Title    string
	Heading  string
	Lead     string
	Style    template.CSS
	Sections []section
	Places   []table // where the runs were made
}

// section is one workload.
type section struct {
	ID, Title string
	Lead      string
	Tiles     []tile
	Runs      table
	Notes     []string
	Commands  []string
	Figures   []figure
	Timelines []timeline
}

// tile is a figure that stands out.
type tile struct{ Name, Value, Note string }

// figure is a plot with its legend and its numbers.
type figure struct {
	ID     string
	Title  string
	Sub    string // what is shown, in which unit, and which way is better
	Legend []legend
	Narrow template.HTML
	Wide   template.HTML // instead, where there is room; empty: there is none
	Table  table
}

// legend explains a class of the style sheet.
type legend struct{ Class, Name string }

// timeline is one run, second by second.
type timeline struct {
	Title   string
	Open    bool
	Lead    string
	Figures []figure
}

type table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

// build draws everything.
func build(list []rows.Row) (*document, error) {
	doc := &document{Style: template.CSS(styleText), Places: places(list)} // of our own making
	var names []string
	for _, r := range list {
		if !slices.Contains(names, r.Workload) {
			names = append(names, r.Workload)
		}
	}
	var errs []error
	for i, name := range names {
		var of []rows.Row
		for _, r := range list {
			if r.Workload == name {
				of = append(of, r)
			}
		}
		s, err := newSheet(fmt.Sprint("w", i+1), name, of).section()
		errs = append(errs, err)
		doc.Sections = append(doc.Sections, s)
	}
	doc.Heading = strings.Join(names, ", ")
	doc.Title = "Netherite benchmark: " + doc.Heading
	doc.Lead = fmt.Sprintf("%s, %s.", count(len(list), "run"), days(list))
	return doc, errors.Join(errs...)
}

// places describes the machines, programs and disks behind the rows, each once.
func places(list []rows.Row) (tables []table) {
	for i := range list {
		r := &list[i]
		t := table{Caption: "Machine and program"}
		add := func(name, value string) {
			if value != "" && value != "0" {
				t.Rows = append(t.Rows, []string{name, value})
			}
		}
		add("Version", r.Version)
		add("Platform", r.Platform)
		add("Processor", r.CPU)
		add("Processors used", fmt.Sprint(r.CPUs))
		add("Go", r.Go)
		add("Settings of its runtime", r.Environment)
		same := func(o table) bool {
			return slices.EqualFunc(o.Rows, t.Rows, func(a, b []string) bool { return slices.Equal(a, b) })
		}
		if !slices.ContainsFunc(tables, same) {
			tables = append(tables, t)
		}
	}
	return tables
}

// days says when the runs were made.
func days(list []rows.Row) string {
	var found []string
	for _, r := range list {
		if day, _, _ := strings.Cut(r.Began, "T"); day != "" {
			found = append(found, day)
		}
	}
	if len(found) == 0 {
		return "made by an older version, which noted no time"
	}
	if first, last := slices.Min(found), slices.Max(found); first != last {
		return "from " + first + " to " + last
	}
	return found[0]
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return whole(float64(n)) + " " + noun + "s"
}
