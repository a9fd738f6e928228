package chaos

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside, in the environment, says that this process is in a namespace of its own.
const inside = "NETHERITE_CHAOS_NAMESPACE"

// inNamespace runs this program again in a mount namespace of its own, where it
// may mount what it likes: nothing of it is seen outside, and it is gone with the
// last process, however that ends. Where the system does not allow that, this
// process goes on as it is.
func inNamespace() (code int, ran bool) {
	if os.Getenv(inside) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			fmt.Fprintln(os.Stderr, "keep mounts to this process:", err)
			return 1, true
		}
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	// The kernel ends the other process with the thread that started it.
	runtime.LockOSThread()
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return 0, false
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), true
	}
	return 0, true
}

// attributes of the processes to be killed: they end with this one.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// tmpfs is a small file system in memory.
type tmpfs struct{ dir string }

const (
	tmpfsBytes = 320 << 20
	fillerName = "filler"
)

// mountTmpfs mounts one for the time of the test; nil if the system does not
// allow that.
func mountTmpfs(t *testing.T) disk {
	t.Helper()
	if os.Getenv(inside) == "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "nc-") // short: a socket's path is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) }) // empty; the system removes what is left
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", tmpfsBytes)); err != nil {
		t.Logf("mount a tmpfs: %v", err)
		return nil
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the tmpfs: %v", err)
		}
	})
	return &tmpfs{dir}
}

func (d *tmpfs) String() string { return "tmpfs" }
func (d *tmpfs) place() string  { return d.dir }

// fill takes all the space that there is.
func (d *tmpfs) fill(*host) error {
	f, err := os.OpenFile(filepath.Join(d.dir, fillerName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	for chunk := int64(64 << 20); chunk >= 4096 && err == nil; {
		switch fail := unix.Fallocate(int(f.Fd()), 0, size, chunk); {
		case fail == nil:
			size += chunk
		case errors.Is(fail, unix.ENOSPC):
			chunk /= 4
		case !errors.Is(fail, unix.EINTR):
			err = fail
		}
	}
	return errors.Join(err, f.Close())
}

// free gives it back.
func (d *tmpfs) free(*host) error { return os.Remove(filepath.Join(d.dir, fillerName)) }
