"""The release of the project. A wheel takes it from here, and Python reads it from the installed package."""

VERSION = "0.1.0"
