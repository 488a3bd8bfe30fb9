"""TensorRT's own log, through Python's logging."""

import atexit
import logging
import os
import threading
import traceback
from typing import Literal, TypeAlias

from torch_nacelle import _C

LogLevel: TypeAlias = Literal["verbose", "info", "warning", "error", "off"]

_LEVELS = {
    "verbose": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.NOTSET,
}

_logger = logging.getLogger("torch_nacelle.tensorrt")


def set_log_level(level: LogLevel) -> None:
    """Shows TensorRT's own log through the logger ``torch_nacelle.tensorrt``, which gets the same level.

    Messages come on a thread of their own, shortly after TensorRT wrote them. If no handler is set anywhere, they are
    written to standard error. The environment variable ``NACELLE_LOG`` sets the level at the start.

    Args:
        level: The least severe messages that are shown: ``"verbose"`` (DEBUG in Python's logging), ``"info"``,
            ``"warning"``, ``"error"``; or ``"off"``, as at the start. Errors are quoted in exceptions in any case.

    Raises:
        InputError: There is no such level.
    """
    _C.set_log_level(level)
    _logger.setLevel(_LEVELS[level])
    if level != "off":
        _delivery.start()


class _Delivery:
    """The thread that takes lines from the queue and hands them to the logger."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: _C.LogQueue | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread, if there is none."""
        with self._lock:
            if self._queue is not None:
                return
            self._queue = _C.LogQueue()
            self._thread = threading.Thread(
                target=_deliver, args=(self._queue,), name="torch_nacelle.tensorrt log", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Hands over the lines that are left, and ends the thread. TensorRT's threads may go on logging, to nobody."""
        if self._queue is not None and self._thread is not None:
            self._queue.close()
            self._thread.join()

    def start_in_child(self) -> None:
        """Starts a thread in a forked process, which has only the thread that forked."""
        self._lock = threading.Lock()  # a thread that is gone may hold the other one
        if self._queue is not None:
            self._queue = None
            self.start()


def _deliver(queue: _C.LogQueue) -> None:
    while lines := queue.take():
        for level, text in lines:
            try:
                _log(level, text.rstrip("\r\n"))
            except Exception:  # of a filter that the program has set; a handler's are reported by logging
                traceback.print_exc()


def _log(level: int, text: str) -> None:
    if not _logger.isEnabledFor(level):
        return
    record = _logger.makeRecord(_logger.name, level, "TensorRT", 0, text, (), None)
    if _logger.hasHandlers():
        _logger.handle(record)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    handler.handle(record)


_delivery = _Delivery()
atexit.register(_delivery.end)
os.register_at_fork(after_in_child=_delivery.start_in_child)

if _C.log_level() != "off":
    set_log_level(_C.log_level())
