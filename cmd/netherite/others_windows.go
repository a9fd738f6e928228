package main

import "io/fs"

// userOf is 0: owners have no numbers here, and files what their directory says.
func userOf(fs.FileInfo) int { return 0 }
