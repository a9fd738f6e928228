// Package plainjson words the errors of encoding/json for people who know JSON and not
// the types of a program in Go.
package plainjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Explain says what is wrong with a JSON text that could not be read into a type. Of
// errors that are not about types it says what they do.
func Explain(err error) error {
	bad, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	what := "it"
	if bad.Field != "" {
		what = fmt.Sprintf("its member %q", bad.Field)
	}
	return fmt.Errorf("%s is %s where %s is wanted", what, kindOf(bad.Value), wanted(bad.Type))
}

// kindOf is what a value of JSON is, by how encoding/json calls it.
func kindOf(value string) string {
	switch value {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	case "string":
		return "a text"
	}
	return "a " + value // "number", or that with its digits
}

// wanted is what of JSON goes into a type.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	}
	return "a number"
}
