//go:build !planted_overlay_without_capture

package planted

// OverlayWithoutCapture: a query does not see what a checkpoint is about to store.
const OverlayWithoutCapture = false
