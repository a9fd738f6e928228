// Package report draws rows of "netherite bench" as one HTML page for people:
// throughput by clients, the distribution of latencies, what a unit costs, and
// each second of a run.
//
// The page is complete in itself: no script, no font, nothing that is fetched,
// and a content security policy that says so. It is laid out for a phone first.
// Plots are SVG with a viewBox whose colours come from the page's style sheet,
// so that they follow the reader's light or dark setting; below each stand its
// numbers as a table. The SVG is written by go-analyze/charts, which only this
// package and the command import.
package report
