"""The errors that Nacelle raises, and the warnings that it gives.

They come from eager calls, from TorchScript programs and from this package alike, with the same class and the same
words. ``Error`` is a ``RuntimeError``, and ``InputError`` a ``ValueError`` too, so code written for torch's own errors
catches them.
"""

import nacelle_core
from torch_nacelle import _C
from torch_nacelle.reports import CheckReport


class Error(nacelle_core.Error):
    """Base of all of them. ``str(error)`` is the whole message; its last line names the place in the documentation.

    Attributes:
        torchscript_trace: The place in a TorchScript program, as torch tells it; empty for an error elsewhere.
    """

    torchscript_trace: str = ""

    def __str__(self) -> str:
        """The whole message."""
        return f"{self.reason}\n{self._reference()}"

    @property
    def reason(self) -> str:
        """The message without its last line, for messages that quote it."""
        return super().__str__().removesuffix(f"\n{self._reference()}")

    @classmethod
    def _reference(cls) -> str:
        ours = next(base for base in cls.__mro__ if base.__module__.startswith("torch_nacelle."))
        return _C.reference(ours.__name__)


class RecordError(Error, nacelle_core.RecordError):
    """A record: a version that is not known, a field that is wrong, a conversion that would lose something."""


class DeviceError(Error):
    """No device here can run an engine."""


class PlanError(Error, nacelle_core.PlanError):
    """A plan's bytes: of no known kind, damaged, or refused by the library that should run them."""


class LibraryError(Error):
    """A library: TensorRT missing, of an unknown release, or without a function; or Torch-TensorRT in the way."""


class InputError(Error, nacelle_core.InputError):
    """A fault in the caller's arguments: tensors of a wrong number, dtype, shape or device; names; options."""


class ExecutionError(Error):
    """The library failed while it ran an engine; the message ends in the library's own words."""


class CheckError(Error):
    """A program computes something else than its original.

    Attributes:
        report: Every output of every call that was compared.
    """

    def __init__(self, message: str, report: CheckReport) -> None:
        """An error with its message and the report that it sums up."""
        super().__init__(message)
        self.report = report


class TracingWarning(UserWarning):
    """A model was traced, and the trace may compute something else than the model for some inputs.

    With ``method="auto"`` the trace computes what the model computes on made-up inputs of all optimization profiles,
    but values of the inputs decide about branches. With ``method="trace"`` the trace is taken in any case, and the
    warning also tells of lost decisions about shapes, and of differences on the made-up inputs. The message names the
    places in the source.
    """
