//go:build planted_page_begins_with_last

package planted

// PageBeginsWithLast: a page begins with the last instance of the one before.
const PageBeginsWithLast = true
