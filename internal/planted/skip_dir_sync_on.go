//go:build planted_skip_dir_sync

package planted

// SkipDirSync: directories are not synced.
const SkipDirSync = true
