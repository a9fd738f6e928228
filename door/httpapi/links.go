package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// links are the addresses of an instance.
type links struct {
	ID                 string `json:"id"`
	StatusQueryGet     string `json:"statusQueryGetUri"`
	SendEventPost      string `json:"sendEventPostUri"`
	TerminatePost      string `json:"terminatePostUri"`
	RewindPost         string `json:"rewindPostUri"`
	PurgeHistoryDelete string `json:"purgeHistoryDeleteUri"`
	RestartPost        string `json:"restartPostUri"`
	SuspendPost        string `json:"suspendPostUri"`
	ResumePost         string `json:"resumePostUri"`
}

// root is the address of the API, as the caller reached it.
func (c *call) root() string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.r.Host + c.base
}

// identity is the part of the query that each link repeats: who asks, and for
// which hub.
func (c *call) identity() string {
	var kept []string
	for _, name := range [...]string{"taskHub", "connection", "code"} {
		if v := c.query.text(name); v != "" {
			kept = append(kept, name+"="+url.QueryEscape(v))
		}
	}
	return strings.Join(kept, "&")
}

func (c *call) links(id string) links {
	at, who := c.root()+"/instances/"+url.PathEscape(id), c.identity()
	link := func(operation, query string) string {
		if query != "" && who != "" {
			query += "&"
		}
		if query += who; query != "" {
			query = "?" + query
		}
		return at + operation + query
	}
	return links{
		ID: id, StatusQueryGet: link("", ""), SendEventPost: link("/raiseEvent/{eventName}", ""), PurgeHistoryDelete: link("", ""),
		TerminatePost: link("/terminate", "reason={text}"), RewindPost: link("/rewind", "reason={text}"), RestartPost: link("/restart", ""),
		SuspendPost: link("/suspend", "reason={text}"), ResumePost: link("/resume", "reason={text}"),
	}
}

// accepted answers that an instance goes on, and where it can be followed.
func (c *call) accepted(id string) {
	l := c.links(id)
	c.w.Header().Set("Location", l.StatusQueryGet)
	c.w.Header().Set("Retry-After", "10")
	writeJSON(c.w, http.StatusAccepted, l)
}
