"""Checks build options, and gives them the form that a builder reads."""

from torch_nacelle._build.option_types import FOR_CACHES, FOR_TENSORRT, BuildOptions
from torch_nacelle.errors import InputError


def check_options_for_reference(options: BuildOptions, why: str) -> None:
    """Raises InputError if an option exists for TensorRT alone; `why` says why the reference engine was chosen."""
    wrong = [name for name in options if name not in FOR_CACHES]
    if wrong:
        raise InputError(
            f"build option {wrong[0]} is given for the reference engine ({why}), which has only "
            f"{', '.join(FOR_CACHES)}; leave {', '.join(wrong)} out, or build with backend='tensorrt'"
        )


def options_for_tensorrt(options: BuildOptions) -> dict[str, object]:
    """Returns the options that TensorRT reads; an option that holds several names is a list."""
    return {
        name: list(value) if isinstance(value, (tuple, set, frozenset)) else value
        for name, value in options.items()
        if name in FOR_TENSORRT
    }
