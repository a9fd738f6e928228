//go:build !windows

package faultfs

import "syscall"

var errNoSpace error = syscall.ENOSPC
