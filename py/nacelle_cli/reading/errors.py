"""The errors of reading."""

import nacelle_core
from nacelle_cli.reading.texts import printable_lines


class ReadingError(nacelle_core.Error):
    """A file, or a part of it, that cannot be read: what was found, what was wanted, and what to do next.

    A message may quote texts of the file, so characters that a terminal would obey are escaped.
    """

    def __init__(self, message: str) -> None:
        """Keeps the message, escaped."""
        super().__init__(printable_lines(message))
