//go:build unix && !linux

package chaos

import (
	"syscall"
	"testing"
)

func inNamespace() (code int, ran bool) { return 0, false }

func attributes() *syscall.SysProcAttr { return nil }

func mountTmpfs(*testing.T) disk { return nil }
