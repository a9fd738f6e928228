package server

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/netherite-go/netherite/engine"
)

// device matches names that stand for devices on Windows, whatever ending they have.
var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)

// CheckNewHub refuses a name for a task hub that is to be made beside others, with an
// engine.ErrInvalid, if it could not be a folder of its own on every system: data
// directories are copied to other machines, and there are disks on which two names that
// differ in case alone are one. Hubs that have such names already are served.
func CheckNewHub(name string, others []string) error {
	if err := checkName(name); err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(name, "."):
		return fmt.Errorf("%w: %q is no name of a new task hub: on Windows a folder's name cannot end in a dot", engine.ErrInvalid, name)
	case device.MatchString(name):
		return fmt.Errorf("%w: %q is no name of a new task hub: on Windows it stands for a device", engine.ErrInvalid, name)
	}
	for _, o := range others {
		if o != name && strings.EqualFold(o, name) {
			return fmt.Errorf("%w: %q is no name of a new task hub: there is %q, and on some disks these are one folder", engine.ErrInvalid, name, o)
		}
	}
	return nil
}
