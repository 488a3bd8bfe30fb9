"""Cases: a seed and the samples give the bytes of a file, the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.py.fuzz_reader import archives, others, pickled, records, sources
from tests.py.zip_files import Entry, written

EXTREMES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1)


@dataclass
class Samples:
    """The members of programs, and plans and other files, by name."""

    programs: dict[str, list[Entry]]
    plans: dict[str, bytes]
    others: dict[str, bytes]


@dataclass
class Case:
    """A file to read, and what was done to it, for a person."""

    content: bytes
    steps: list[str] = field(default_factory=list)
    is_program: bool = True


def make(seed: int, samples: Samples) -> Case:
    """The case of a seed."""
    numbers = random.Random(seed)
    if numbers.random() < 0.05:
        name = numbers.choice(sorted(samples.plans))
        content, step = records.change_plan(samples.plans[name], numbers)
        return Case(content, [name, step], is_program=False)
    if numbers.random() < 0.2:
        name = numbers.choice(sorted(samples.others))
        change = numbers.choice([change_bytes, others.change])
        content, step = change(samples.others[name], numbers)
        return Case(content, [name, step], is_program=False)
    name = numbers.choice(sorted(samples.programs))
    entries = [entry.but() for entry in samples.programs[name]]
    case = Case(b"", [name])
    for _ in range(numbers.choice([1, 1, 1, 2, 3])):
        kind = numbers.choice(sorted(_CHANGES))
        entries, step = _CHANGES[kind](entries, numbers)
        case.steps.append(f"{kind}: {step}")
    if numbers.random() < 0.25:
        entries, step, arguments = archives.change(entries, numbers)
        case.steps.append(f"zip: {step}")
    else:
        arguments = {}
    case.content = written(entries, **arguments)
    if numbers.random() < 0.2:
        case.content, step = change_bytes(case.content, numbers)
        case.steps.append(f"bytes: {step}")
    return case


def change_bytes(content: bytes, numbers: random.Random) -> tuple[bytes, str]:
    """A few bytes are other ones, are gone, or are there again."""
    changed = bytearray(content)
    kinds = []
    for _ in range(numbers.choice([1, 1, 2, 4, 16])):
        if not changed:
            break
        at = numbers.randrange(len(changed))
        end = min(len(changed), at + numbers.choice([1, 2, 4, 8, 30, 300]))
        kind = numbers.choice(["flip", "set", "extreme", "cut", "repeat", "tail"])
        kinds.append(f"{kind} {at}")
        if kind == "flip":
            changed[at] ^= 1 << numbers.randrange(8)
        elif kind == "set":
            changed[at:end] = numbers.randbytes(end - at)
        elif kind == "extreme":
            size = numbers.choice([1, 2, 4, 8])
            changed[at : at + size] = (numbers.choice(EXTREMES) % (1 << 8 * size)).to_bytes(size, "little")
        elif kind == "cut":
            del changed[at:end]
        elif kind == "repeat":
            changed[at:at] = changed[at:end] * numbers.choice([1, 2, 50])
        else:
            del changed[at:]
    return bytes(changed), ", ".join(kinds)


def change_one(wanted: Callable[[bytes], bool], change: Callable[[bytes, random.Random], tuple[bytes, str]]) -> object:
    """A change of one of those members whose names are wanted."""

    def apply(entries: list[Entry], numbers: random.Random) -> tuple[list[Entry], str]:
        places = [i for i, entry in enumerate(entries) if wanted(entry.name.partition(b"/")[2])]
        if not places:
            return entries, "nothing"
        place = numbers.choice(places)
        entry = entries[place]
        content, step = change(entry.content, numbers)
        # deflated, a member can be a thousand times its size in the file
        entries[place] = entry.but(content=content, method=numbers.choice([0, 8]))
        return entries, f"{entry.name.decode()}: {step}"

    return apply


_CHANGES: dict[str, Callable[[list[Entry], random.Random], tuple[list[Entry], str]]] = {
    "member": change_one(lambda _: True, change_bytes),  # type: ignore[dict-item]
    "pickle": change_one(lambda name: name == b"data.pkl", pickled.change),  # type: ignore[dict-item]
    "constants": change_one(lambda name: name == b"constants.pkl", pickled.change),  # type: ignore[dict-item]
    "record": change_one(lambda name: name == b"data.pkl", records.change),  # type: ignore[dict-item]
    "object": change_one(lambda name: name.startswith(b"data/constants/") and b"_obj_" in name, others.change_object),  # type: ignore[dict-item]
    "json": change_one(lambda name: name.endswith(b".json"), others.change_json),  # type: ignore[dict-item]
    "source": change_one(lambda name: name.startswith(b"code/") and name.endswith(b".py"), sources.change),  # type: ignore[dict-item]
}
