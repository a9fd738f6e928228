package backup

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

const (
	// ManifestName is the file that makes a directory a backup.
	ManifestName = "manifest"
	// FormatVersion is the version of the manifest and of what it names.
	FormatVersion = 1
	blockBytes    = 256 << 10
	// maxManifest is more than a manifest has: 250 GB of files fit.
	maxManifest = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Manifest describes a backup.
type Manifest struct {
	Format     int       `json:"format"`
	Hub        string    `json:"hub"`     // identity of the hub, hexadecimal
	Lineage    string    `json:"lineage"` // which of its copies this is one of, see Source
	Partitions int       `json:"partitions"`
	Number     int       `json:"number"` // counts the backups in the directory
	Taken      time.Time `json:"taken"`
	// The copied log holds the offsets from LogBegin to LogEnd.
	LogBegin substrate.Offset `json:"logBegin"`
	LogEnd   substrate.Offset `json:"logEnd"`
	Files    []File           `json:"files"`
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"`         // in the hub, with slashes
	ID     string `json:"id,omitempty"` // names the content, see substrate.ExportedFile
	Number int    `json:"number"`       // of the backup that copied it
	Size   int64  `json:"size"`         // of the file in the hub: Stored bytes, then zeros
	Stored int64  `json:"stored"`
	Blocks string `json:"blocks"` // the checksums, 8 hexadecimal digits each
}

// Path is where the file is in the backup, with slashes.
func (f *File) Path() string { return fmt.Sprintf("%06d/%s", f.Number, f.Name) }

// sums returns the checksums of the file's blocks.
func (f *File) sums() ([]uint32, error) {
	raw, err := hex.DecodeString(f.Blocks)
	if want := (f.Stored + blockBytes - 1) / blockBytes * 4; err == nil && int64(len(raw)) != want {
		err = fmt.Errorf("%d checksums for %d bytes", len(raw)/4, f.Stored)
	}
	if err != nil {
		return nil, fmt.Errorf("checksums of %s: %w", f.Name, err)
	}
	sums := make([]uint32, len(raw)/4)
	for i := range sums {
		sums[i] = binary.BigEndian.Uint32(raw[4*i:])
	}
	return sums, nil
}

// Read returns the manifest of a backup: fs.ErrNotExist if there is none,
// substrate.Damage if it is not what was written, substrate.ErrNewerFormat.
func Read(fsys vfs.FS, dest string) (*Manifest, error) {
	m, err := read(fsys, dest)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of the backup in %s: %w", dest, err)
	}
	return m, nil
}

func read(fsys vfs.FS, dest string) (*Manifest, error) {
	f, err := substrate.OpenPlain(fsys, fsys.PathJoin(dest, ManifestName))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	body, sum, ok := bytes.Cut(data, []byte("\n"))
	if !ok || string(sum) != sumLine(body) {
		return nil, &substrate.Damage{File: ManifestName, Kind: "crc", Detail: "it is not what was written"}
	}
	var newer struct{ Format int } // whose other fields may be anything
	if json.Unmarshal(body, &newer) == nil && newer.Format > FormatVersion {
		return nil, fmt.Errorf("%w: format %d, this program reads up to %d", substrate.ErrNewerFormat, newer.Format, FormatVersion)
	}
	m := &Manifest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, &substrate.Damage{File: ManifestName, Kind: "crc", Detail: err.Error()}
	}
	for i := range m.Files {
		if f := &m.Files[i]; !fs.ValidPath(f.Name) || f.Stored < 0 || f.Size < f.Stored {
			return nil, &substrate.Damage{File: ManifestName, Kind: "crc", Detail: fmt.Sprintf("it names a file %q of %d bytes", f.Name, f.Size)}
		}
	}
	return m, nil
}

func sumLine(body []byte) string {
	return fmt.Sprintf("crc32c %08x\n", crc32.Checksum(body, castagnoli))
}

// write puts the manifest in place. It is there whole or not at all.
func (m *Manifest) write(fsys vfs.FS, dest string) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(body) > maxManifest/2 {
		return fmt.Errorf("the manifest would have %d bytes", len(body))
	}
	body = append(append(body, '\n'), sumLine(body)...)
	tmp := fsys.PathJoin(dest, ManifestName+".tmp")
	f, err := fsys.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, fsys.PathJoin(dest, ManifestName)); err != nil {
		return err
	}
	return dirsync.Sync(fsys, dest)
}
