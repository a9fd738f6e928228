package plainjson

import (
	"encoding/json"
	"strings"
	"testing"
)

type order struct {
	Name  string            `json:"name"`
	Count *int              `json:"count"`
	Done  bool              `json:"done"`
	Price float64           `json:"price"`
	Lines []order           `json:"lines"`
	Tags  map[string]string `json:"tags"`
}

func TestErrorsOfTypesAreWordedWithoutThem(t *testing.T) {
	for text, want := range map[string]string{
		`"x"`:                     "it is a text where an object is wanted",
		`[]`:                      "it is a list where an object is wanted",
		`{"name": 5}`:             `its member "name" is a number where a text is wanted`,
		`{"count": {}}`:           `its member "count" is an object where a whole number is wanted`,
		`{"done": "x"}`:           `its member "done" is a text where true or false is wanted`,
		`{"price": true}`:         `its member "price" is true or false where a number is wanted`,
		`{"lines": [{"tags":1}]}`: `its member "lines.tags" is a number where an object is wanted`,
		`{"tags": {"a": 1}}`:      `is a number where a text is wanted`,
		`{`:                       "unexpected end of JSON input",
	} {
		err := Explain(json.Unmarshal([]byte(text), new(order)))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
