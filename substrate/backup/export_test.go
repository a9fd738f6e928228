package backup

// WriteManifest puts a manifest in place.
var WriteManifest = (*Manifest).write
