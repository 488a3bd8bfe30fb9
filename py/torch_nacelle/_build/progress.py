"""The progress of a build on a terminal, and its end by Ctrl-C."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_T = TypeVar("_T")
_logger = logging.getLogger("torch_nacelle")

Callback = Callable[[str, str, int, int], bool]


class Display(Protocol):
    """A display of progress."""

    def line(self, text: str) -> None:
        """Shows a line that stays."""

    def start(self, title: str) -> None:
        """A build begins: from now on time runs."""

    def step(self, phase: str, parent: str, step: int, steps: int) -> None:
        """A phase is at a step; it has ended if that is the last one."""

    def stop(self) -> None:
        """The build has ended."""


class Silent:
    """Shows nothing."""

    def line(self, text: str) -> None:
        """Shows nothing."""

    def start(self, title: str) -> None:
        """Shows nothing."""

    def step(self, phase: str, parent: str, step: int, steps: int) -> None:
        """Shows nothing."""

    def stop(self) -> None:
        """Shows nothing."""


class Terminal:
    """Bars of rich on standard error: a spinner with the time, and a bar for each phase that is told."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def line(self, text: str) -> None:
        """Shows a line above the bars."""
        self._console.print(text, style="dim", markup=False, highlight=False)

    def start(self, title: str) -> None:
        """Shows the spinner."""
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._progress.add_task(title, total=None)
        self._progress.start()

    def step(self, phase: str, parent: str, step: int, steps: int) -> None:
        """Shows the phase under its parent, and removes it with its last step."""
        if self._progress is None:
            return
        key = (parent, phase)
        if key not in self._tasks:
            indent = "    " if parent else "  "
            self._tasks[key] = self._progress.add_task(indent + phase, total=steps)
        self._progress.update(self._tasks[key], completed=step, total=steps)
        if step >= steps:
            self._progress.remove_task(self._tasks.pop(key))

    def stop(self) -> None:
        """Removes the bars."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()


class Lines:
    """Lines on standard error, for a pipe or a file: the beginning, each phase, the time that it took."""

    def __init__(self) -> None:
        self._began = 0.0

    def line(self, text: str) -> None:
        """Shows a line."""
        print(text, file=sys.stderr, flush=True)

    def start(self, title: str) -> None:
        """Shows the title."""
        self._began = time.monotonic()
        self.line(title)

    def step(self, phase: str, parent: str, step: int, steps: int) -> None:
        """Shows a phase when it begins, those inside others excepted."""
        if step == 0 and not parent:
            self.line(f"  {phase}")

    def stop(self) -> None:
        """Shows the time."""
        self.line(f"  {time.monotonic() - self._began:.1f} s")


def display(progress: bool | None) -> Display:
    """Chooses the display of progress.

    Args:
        progress: True or False; None: only if standard error is a terminal.
    """
    if progress is False:
        return Silent()
    if not sys.stderr.isatty():
        return Lines() if progress else Silent()
    try:
        return Terminal()
    except ImportError:  # rich is missing
        return Lines()


def run_cancellable(work: Callable[[Callback], _T], shown: Display, what: str) -> _T:
    """Runs `work` in a thread of its own and lets Ctrl-C end it.

    Python sees Ctrl-C in the main thread and between its own instructions only, so that thread waits here while the
    builder works in another one. The first Ctrl-C makes the callback return False, which builders that tell progress
    obey soon; the wait goes on until they do. A second one leaves the builder to itself.

    Args:
        work: Takes the callback for the builder.
        shown: The display of progress.
        what: The builder, for messages.

    Returns:
        What `work` returns.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, however the work ended.
        BaseException: `work` raised it.
    """
    cancelled = threading.Event()
    ended = threading.Event()
    outcome: list[tuple[_T | None, BaseException | None]] = []

    def callback(phase: str, parent: str, step: int, steps: int) -> bool:
        if cancelled.is_set():
            return False
        shown.step(phase, parent, step, steps)
        return True

    def run() -> None:
        try:
            outcome.append((work(callback), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            ended.set()

    thread = threading.Thread(target=run, name="torch_nacelle build", daemon=True)
    try:
        thread.start()
        _wait(thread, ended)
    except KeyboardInterrupt:
        cancelled.set()
        shown.line(f"cancelling; waiting for {what} to stop (Ctrl-C again leaves at once)")
        _wait(thread, ended)
        raise
    (result, error) = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _wait(thread: threading.Thread, ended: threading.Event) -> None:
    while not ended.wait(0.5):  # a wait without an end could not be interrupted everywhere
        if thread.ident is None:  # Ctrl-C came before it began
            return
