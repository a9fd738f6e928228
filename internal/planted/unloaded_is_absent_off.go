//go:build !planted_unloaded_is_absent

package planted

// UnloadedIsAbsent: of several messages only the first names its instance, and one that was not loaded is taken for one that does not exist.
const UnloadedIsAbsent = false
