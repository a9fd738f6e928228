//go:build !planted_keeper_never_rests

package planted

// KeeperNeverRests: the keeper has itself called again for now, for ever.
const KeeperNeverRests = false
