"""Writes facts for persons and scripts: as lines, as JSON, as a page."""
