//go:build planted_result_from_anyone

package planted

// ResultFromAnyone: a result of an item that the connection does not hold is acknowledged.
const ResultFromAnyone = true
