//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// userOf is the ID of the user who owns a file.
func userOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
