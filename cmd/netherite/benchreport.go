package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/netherite-go/netherite/bench/report"
	"github.com/netherite-go/netherite/bench/rows"
	"github.com/spf13/cobra"
)

// page is a report to be: a file beside it, which takes its name when it is
// complete. nil: none was asked for.
type page struct {
	name string
	f    *os.File
}

// openPage finds out whether the report can be written.
func openPage(name string) (*page, error) {
	if name == "" {
		return nil, nil
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, usagef("--report %s: it is no file; name one that can be written, such as report.html", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*.html")
	if err != nil {
		return nil, usagef("--report %s: %w; name a file in a folder that can be written to", name, withoutPath(err))
	}
	return &page{name, f}, nil
}

// write draws the rows, and says where.
func (p *page) write(list []rows.Row, stderr io.Writer) error {
	if p == nil {
		return nil
	}
	err := report.Write(p.f, list)
	if err == nil {
		err = p.f.Chmod(0o644) // a page is to be shown to others
	}
	if err := errors.Join(err, p.f.Close()); err != nil {
		return fmt.Errorf("write the report %s: %w", p.name, err)
	}
	if err := os.Rename(p.f.Name(), p.name); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	p.f = nil
	fmt.Fprintf(stderr, "report: %s\n", p.name)
	return nil
}

// discard removes what is not complete.
func (p *page) discard() {
	if p != nil && p.f != nil {
		_ = p.f.Close() // may be closed already; it is of no use
		_ = os.Remove(p.f.Name())
	}
}

// reportFiles draws rows that were printed earlier.
func (f *benchFlags) reportFiles(cmd *cobra.Command, args []string) error {
	switch {
	case f.report == "":
		return usagef("--from makes a report: say where to, with --report FILE.html")
	case len(args) > 0:
		return usagef("--from runs nothing: leave out %q", args[0])
	}
	var all []rows.Row
	for _, name := range f.from {
		list, err := readRows(name)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	p, err := openPage(f.report)
	if err != nil {
		return err
	}
	defer p.discard()
	return p.write(all, cmd.ErrOrStderr())
}
