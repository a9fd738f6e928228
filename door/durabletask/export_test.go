package durabletask

// Single serves one hub under whatever name, as Register does.
func Single(hub Hub) Hubs { return single{hub} }
