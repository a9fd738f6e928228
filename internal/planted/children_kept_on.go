//go:build planted_children_kept

package planted

// ChildrenKept: a recursive purge forgets no children.
const ChildrenKept = true
