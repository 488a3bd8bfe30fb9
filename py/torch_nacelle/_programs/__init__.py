"""Programs with engines inside: read, changed, written, and loaded to be called."""
