"""The errors of this package; those of ``torch_nacelle.errors`` derive from them."""


class Error(RuntimeError):
    """Base of all errors of Nacelle. ``str(error)`` is the whole message."""


class RecordError(Error):
    """A record: a version that is not known, a field that is wrong, base64 that is malformed."""


class PlanError(Error):
    """A plan's bytes: of no known kind, or cut off."""


class InputError(Error, ValueError):
    """An argument that a function cannot take."""
