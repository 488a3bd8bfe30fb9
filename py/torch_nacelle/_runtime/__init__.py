"""The base of the package: loads the library, checks arguments, and finds, configures and moves engines."""
