"""The commands, a module each; every module has a function ``register(app)``."""
