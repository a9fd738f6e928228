// Package backup keeps one copy of a hub's files in a directory, and brings it up
// to date without copying again what cannot have changed.
//
//	DEST/manifest      one JSON object, then a line with its checksum
//	DEST/000001/...    what the first backup copied, under the names it has in the hub
//	DEST/000002/...    what the second copied, and so on
//
// The manifest names every file of the copy, the number of the backup that copied
// it, its length, and a CRC-32C of each 256 KiB. It is replaced by renaming: until
// then the backup before is whole, and nothing of it is touched; afterwards what
// the new manifest does not name is removed. So an interrupted backup is a
// directory that no manifest names, and the next backup removes it.
//
// Files are copied, never linked: a copy that shares its bytes with the original
// is lost with it.
package backup
