// Package rows reads what "netherite bench --json" has printed, one row a run,
// and compares rows: which figures changed by how much, which way is better, and
// what makes the comparison unfair.
package rows
