package keyfile

import "os"

// give does nothing: files are their directory's here.
func give(*os.File, string) error { return nil }
