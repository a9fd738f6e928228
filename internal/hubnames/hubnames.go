// Package hubnames has the names of files that more than one package has to know of a
// hub's directory.
package hubnames

// Restoring is there while a hub is restored into the directory.
const Restoring = "RESTORING"

// Beside lists what may lie in a directory before a hub is created in it: the lock,
// and what an interrupted creation or restore leaves. Nothing is lost with it.
var Beside = []string{"LOCK", "HOLDER", "HOLDER.tmp", "hub.tmp", Restoring + ".tmp", "owner.sock", "lost+found"}
