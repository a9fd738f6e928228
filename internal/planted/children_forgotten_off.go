//go:build !planted_children_forgotten

package planted

// ChildrenForgotten: a recursive termination forgets the children, who go on.
const ChildrenForgotten = false
