"""The base of the whole package: the library loaded, arguments checked, engines found, set and moved."""
