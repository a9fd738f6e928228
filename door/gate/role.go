package gate

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what a caller may do with a task hub. Each includes those before it.
type Role uint8

const (
	// None may do nothing.
	None Role = iota
	// Reader may read instances, entities, histories and figures.
	Reader
	// Client may also start, message, end and purge instances, and signal entities.
	Client
	// Worker may also take work and complete it, and so read and decide all of it.
	Worker
	// Admin may also create and delete task hubs.
	Admin
)

var roleNames = [...]string{"none", "reader", "client", "worker", "admin"}

// String is the role's name.
func (r Role) String() string { return roleNames[r] }

// ParseRole is the inverse of String.
func ParseRole(name string) (Role, error) {
	i := slices.Index(roleNames[1:], strings.ToLower(name))
	if i < 0 {
		return None, fmt.Errorf("there is no role %q, there are %s", name, strings.Join(roleNames[1:], ", "))
	}
	return Role(i + 1), nil
}

// Everywhere stands for all task hubs, in the roles of a caller.
const Everywhere = "*"

// Principal is a caller whose credentials have been accepted.
type Principal struct {
	Name  string
	Roles map[string]Role // by task hub, or Everywhere
}

// May reports whether the caller has at least a role for a hub.
func (p *Principal) May(hub string, r Role) bool {
	return p != nil && r != None && max(p.Roles[hub], p.Roles[Everywhere]) >= r
}

// everybody is who calls where nobody is asked who they are.
var everybody = &Principal{Name: "anonymous", Roles: map[string]Role{Everywhere: Admin}}
