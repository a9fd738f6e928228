//go:build !planted_map_order_leak

package planted

// MapOrderLeak: locks are released in the order of a map.
const MapOrderLeak = false
