"""Faults that the seeds of the test still show: each is to be mended, and then to be taken off this list."""

from __future__ import annotations

KNOWN: dict[str, dict[tuple[str, str], tuple[int, ...]]] = {
    "a trace that method='trace' asks for differs at other shapes or values, and no warning says so": {
        ("trace", "values"): (3, 32, 58, 61, 66, 77, 97, 106, 112, 137),
        ("trace", "shape"): (128,),
    },
    "auto accepts a trace after a comparison on the integers 0 and 1 alone": {("auto", "values"): (137,)},
    "a write after the last use of a buffer, with a loop behind it, is neither kept nor refused": {
        ("script", "values"): (14,),
        ("scripted", "values"): (14,),
        ("auto", "values"): (14,),
    },
    "the rest of a hybrid program in memory shares buffers that it writes to with the source": {
        ("hybrid", "calling the program changes the source"): (14, 18, 23, 27, 39, 75, 80, 109, 120, 126),
        ("hybrid trace", "calling the program changes the source"): (14, 18, 23, 27, 39, 75, 80, 109, 120, 126),
    },
    "a parameter or a tensor in a list that forward writes to is refused once it has been written to": {
        ("trace", "compile changes the source"): (80, 87, 122),
        ("auto", "compile changes the source"): (80, 87, 122),
        ("hybrid", "compile changes the source"): (20, 122),
        ("hybrid trace", "compile changes the source"): (20, 122),
    },
    "a hybrid program whose rest calls a function that TorchScript ignores cannot be saved": {
        ("hybrid", "save raises RuntimeError"): (54, 83),
        ("hybrid trace", "save raises RuntimeError"): (54, 83),
    },
    "an engine in a hybrid program returns a copy where the module returns its input, and the rest writes to that": {
        ("hybrid", "values"): (63, 97, 110, 132),
        ("hybrid trace", "values"): (63, 97, 110, 132),
    },
}
"""By the fault, the seeds that show it, by the variant and the kind."""


def known() -> set[tuple[int, str, str]]:
    """The seeds with variant and kind."""
    return {
        (seed, variant, kind)
        for seeds_of in KNOWN.values()
        for (variant, kind), seeds in seeds_of.items()
        for seed in seeds
    }
