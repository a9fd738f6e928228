package httpapi

import (
	_ "embed"
	"net/http"
)

// description is the API in the words of OpenAPI 3.
//
//go:embed openapi.json
var description []byte

// Description is the API in the words of OpenAPI 3, as it is served.
func Description() []byte { return description }

// describe answers with the description.
func (c *call) describe([]string) error {
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(description)
	return nil
}
