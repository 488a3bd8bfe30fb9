"""Engines inside torch's own program formats."""
