// Package filelog is a substrate.Log on files.
package filelog
