"""From a model to an engine, and to a program with engines in it."""
