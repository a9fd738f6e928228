package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/netherite-go/netherite/bench/report"
	"github.com/netherite-go/netherite/bench/rows"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/spf13/cobra"
)

// page is a report to be; "" if none was asked for.
type page string

// openPage finds out whether the report can be written. It leaves nothing behind:
// the page may be meant for the data directory, which is to be empty.
func (f *benchFlags) openPage(cmd *cobra.Command) (page, error) {
	switch {
	case !cmd.Flags().Changed("report"):
		return "", nil
	case f.report == "":
		return "", usagef("--report names no file; name one that can be written, such as report.html")
	}
	if info, err := os.Stat(f.report); err == nil && !info.Mode().IsRegular() {
		return "", usagef("--report %s: it is no file; name one that can be written, such as report.html", f.report)
	}
	temp, err := page(f.report).begin()
	if err != nil {
		return "", usagef("--report %s: %w; name a file in a folder that can be written to", f.report, err)
	}
	return page(f.report), errors.Join(temp.Close(), os.Remove(temp.Name()))
}

// begin makes a file beside the page, which takes its name when it is complete.
func (p page) begin() (*os.File, error) {
	temp, err := os.CreateTemp(filepath.Dir(string(p)), ".report-*.html")
	if err != nil {
		return nil, withoutPath(err)
	}
	return temp, nil
}

// write draws the rows, of so many runs that were to be made, and says where.
func (p page) write(list []rows.Row, planned int, stderr io.Writer) (err error) {
	if p == "" {
		return nil
	}
	temp, err := p.begin()
	if err != nil {
		return fmt.Errorf("write the report %s: %w", p, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // it is of no use
		}
	}()
	err = report.WritePart(temp, list, planned)
	if err == nil {
		err = temp.Chmod(0o644) // a page is to be shown to others
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("write the report %s: %w", p, err)
	}
	if err := os.Rename(temp.Name(), string(p)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	part := ""
	if len(list) < planned {
		part = fmt.Sprintf(", %d of %d runs", len(list), planned)
	}
	terminal.Printf(stderr, "report: %s%s\n", p, part)
	return nil
}

// reportFiles draws rows that were printed earlier.
func (f *benchFlags) reportFiles(cmd *cobra.Command, args []string) error {
	switch {
	case !cmd.Flags().Changed("report"):
		return usagef("--from makes a report: say where to, with --report FILE.html")
	case len(args) > 0:
		return usagef("--from runs nothing: leave out %q", args[0])
	}
	if err := f.checkFrom(); err != nil {
		return err
	}
	var all []rows.Row
	for _, name := range f.from {
		list, err := readRows(name)
		if err != nil {
			return err
		}
		all = append(all, list...)
	}
	p, err := f.openPage(cmd)
	if err != nil {
		return err
	}
	return p.write(all, len(all), cmd.ErrOrStderr())
}

// checkFrom refuses names of nothing, and a page in the place of what it is of.
func (f *benchFlags) checkFrom() error {
	if len(f.from) == 0 || slices.Contains(f.from, "") {
		return usagef("--from names no file: name those that netherite bench --json printed, such as rows.json,other.json")
	}
	target, err := os.Stat(f.report)
	if err != nil {
		return nil // there is nothing to overwrite
	}
	for _, name := range f.from {
		if source, err := os.Stat(name); err == nil && os.SameFile(source, target) {
			return usagef("--report %s would overwrite %s, which it is to be made of: name another file, such as report.html", f.report, name)
		}
	}
	return nil
}
