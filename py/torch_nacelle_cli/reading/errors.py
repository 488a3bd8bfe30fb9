"""What reading raises."""


class ReadingError(Exception):
    """A file, or a part of it, that cannot be read: what was found, what was wanted, and what to do next."""
