"""What the whole package stands on: the library loaded, arguments checked, engines found, set and moved."""
