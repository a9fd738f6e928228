package owner

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// SocketName is the name of the socket inside a data directory.
const SocketName = "owner.sock"

// maxPath is the longest socket path that all systems accept, in bytes.
const maxPath = 100

// privatePrefix begins the names of private directories.
const privatePrefix = "netherite-"

// Listen opens the socket of a data directory, which the caller holds. Where
// the path would be too long for a socket, the name in the directory is a link
// to a socket in a private temporary directory.
func Listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, SocketName)
	removeLinked(path)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the owner's socket of an earlier run: %w", err)
	}
	if len(path) <= maxPath {
		return listen(path)
	}
	private, err := os.MkdirTemp("", privatePrefix)
	if err != nil {
		return nil, fmt.Errorf("make a directory for the owner's socket: %w", err)
	}
	l, err := listen(filepath.Join(private, SocketName))
	if err == nil {
		err = os.Symlink(l.Addr().String(), path)
	}
	if err != nil {
		_ = os.RemoveAll(private)
		return nil, fmt.Errorf("open the owner's socket: %w", err)
	}
	return &linked{Listener: l, link: path, private: private}, nil
}

// removeLinked removes the private directory that an owner has left which was
// killed, if the path links to one. What else may be in it stays, and so does it.
func removeLinked(path string) {
	target, err := os.Readlink(path)
	private := filepath.Dir(target)
	if err != nil || !strings.HasPrefix(filepath.Base(private), privatePrefix) || filepath.Base(target) != SocketName {
		return
	}
	_ = os.Remove(target) // in a temporary directory: the system removes what is left
	_ = os.Remove(private)
}

func listen(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the owner's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("restrict the owner's socket: %w", err), l.Close())
	}
	return l, nil
}

// linked removes the link and the private directory with the listener.
type linked struct {
	net.Listener
	link, private string
}

// Close implements net.Listener.
func (l *linked) Close() error {
	return errors.Join(l.Listener.Close(), os.Remove(l.link), os.RemoveAll(l.private))
}

// address finds the socket of a data directory.
func address(dir string) string {
	path := filepath.Join(dir, SocketName)
	if target, err := os.Readlink(path); err == nil {
		return target
	}
	return path
}
