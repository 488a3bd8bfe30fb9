"""Faults that the seeds of the test still show: each is to be mended, and then to be taken off this list."""

from __future__ import annotations

KNOWN: dict[str, dict[tuple[str, str], tuple[int, ...]]] = {
    "a write after the last use of a buffer, with a loop behind it, is neither kept nor refused": {
        ("script", "values"): (14,),
        ("scripted", "values"): (14,),
        ("auto", "values"): (14,),
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
