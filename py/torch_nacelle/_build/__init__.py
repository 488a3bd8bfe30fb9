"""Builds engines from models, and programs with engines in them."""
