// Package shellword writes the words of commands that messages advise, so that they can be
// copied to a shell.
package shellword

import "strings"

// plain are the characters that a shell takes as they are, wherever they stand.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,"

// Quote returns a word as a POSIX shell has to be given it: as it is, or in quotes.
func Quote(word string) string {
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
