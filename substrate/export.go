package substrate

import "io"

// LogExporter is a Log that can be copied while it is in use.
type LogExporter interface {
	Log
	// Export calls put for each file of a copy of the log as it is now, and
	// returns where the copy ends: whatever was reported durable before the call
	// is in it. To open the copy is as to open the log after a crash at this
	// moment. It ends with put's first error.
	Export(put func(ExportedFile) error) (end Offset, err error)
}

// ExportedFile is a file of a copy.
type ExportedFile struct {
	Name string
	// ID names the content: files of one store or log with the same name and ID
	// have the same content. It is empty if the content may differ.
	ID string
	// Size is that of the file; what lies beyond Stored bytes is zeros.
	Size, Stored int64
	Content      io.Reader // of Stored bytes, valid during the call
	// Check reads a file that has an ID, and returns a Damage if it is not what was
	// written. It may be called while Content is valid; nil if nothing is known of that.
	Check func() error
}
