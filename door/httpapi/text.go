package httpapi

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// checkText refuses text of a request that is not UTF-8, and says where.
func checkText(what, text string) error {
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
			return badRequest("%s is not UTF-8: see byte %d", what, i)
		}
	}
	return nil
}

// checkWords refuses a request with a segment of its path, or a parameter, that is not
// UTF-8: put into an answer it would become another text.
func checkWords(segments []string, p params) error {
	for _, s := range segments {
		if err := checkText("a part of the path", s); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if err := checkText("the name of a parameter", name); err != nil {
			return err
		}
		for _, v := range p.values[name] {
			if err := checkText("the parameter "+name, v); err != nil {
				return err
			}
		}
	}
	return nil
}
