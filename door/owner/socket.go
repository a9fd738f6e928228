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
		return nil, fmt.Errorf("remove the owner's socket of an earlier run: %w; move it away if it is no socket", err)
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

// bound is a listener that removes its socket when it is closed, unless somebody
// else has put another one in its place.
type bound struct {
	net.Listener
	path string
	made os.FileInfo
}

// Close implements net.Listener.
func (b *bound) Close() error {
	// As long as the listener is there, no other file is taken for its own.
	var err error
	if now, statErr := os.Lstat(b.path); statErr == nil && os.SameFile(now, b.made) {
		err = os.Remove(b.path)
	}
	return errors.Join(err, b.Listener.Close())
}

func listen(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the owner's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("restrict the owner's socket: %w", err), l.Close())
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the owner's socket: %w", err), l.Close())
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return &bound{Listener: l, path: path, made: made}, nil
}

// linked removes the link, if it is its own still, and the private directory with
// the listener.
type linked struct {
	net.Listener
	link, private string
}

// Close implements net.Listener.
func (l *linked) Close() error {
	var err error
	if target, linkErr := os.Readlink(l.link); linkErr == nil && target == l.Addr().String() {
		err = os.Remove(l.link)
	}
	return errors.Join(err, l.Listener.Close(), os.RemoveAll(l.private))
}

// address finds the socket of a data directory.
func address(dir string) string {
	path := filepath.Join(dir, SocketName)
	if target, err := os.Readlink(path); err == nil {
		return target
	}
	return path
}
