//go:build !planted_items_not_returned

package planted

// ItemsNotReturned: what a lost worker had is not counted as returned.
const ItemsNotReturned = false
