"""The command line ``nacelle``; ``python -m torch_nacelle`` is the same.

It is a package of its own beside ``torch_nacelle``, since importing anything of it imports torch, for seconds.
Here torch and torch_nacelle are imported inside the functions that need them: help, completion and the commands that
only look into files start without.
"""
