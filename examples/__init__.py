"""Programs that show what Nacelle does, each to be run with one command."""
