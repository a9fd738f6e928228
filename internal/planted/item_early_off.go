//go:build !planted_item_early

package planted

// ItemEarly: work items leave one position early.
const ItemEarly = false
