"""Pickles in which the states of engines are replaced: all else says what it said, values that were shared too."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from nacelle_cli.reading import pickle_edits, pickles, pieces
from nacelle_cli.reading.errors import ReadingError
from nacelle_cli.reading.pickle_edits import Text
from nacelle_cli.reading.pickle_traces import Trace
from nacelle_cli.reading.pieces import Piece

ENGINE = b"c__torch__.torch.classes.tensorrt\nEngine\n)\x81"
TAG = b"ctorch.jit._pickle\nrestore_type_tag\n"
LONG = bytes(range(97, 123)) * (pickles.LONGEST_KEPT // 26 + 1)


def text(content: bytes, number: int | None = None) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content + (b"" if number is None else put(number))


def put(number: int) -> bytes:
    return b"q" + bytes([number]) if number < 256 else b"r" + struct.pack("<I", number)


def get(number: int) -> bytes:
    return b"h" + bytes([number]) if number < 256 else b"j" + struct.pack("<I", number)


def engine(*fields: bytes, tag: bytes = TAG, rest: bytes = b"") -> bytes:
    """An engine whose state is these operations."""
    return ENGINE + tag + b"](" + b"".join(fields) + b"e" + text(b"List[str]") + b"\x86R" + rest + b"b"


def pickle(*values: bytes) -> bytes:
    return b"\x80\x02(" + b"".join(values) + b"l."


def read(content: bytes) -> tuple[Any, Trace]:
    trace = Trace()
    return pickles.load(io.BytesIO(content), "data.pkl", "a.ts", watch=trace), trace


def edited(content: bytes, changes: dict[int, Sequence[Text | bytes]]) -> bytes:
    """The pickle with other fields in some engines, which are counted in the order of the pickle."""
    _, trace = read(content)
    states = [
        (trace.states[i].span, [Text(pieces.of_bytes(one)) if isinstance(one, bytes) else one for one in fields])
        for i, fields in changes.items()
    ]

    def copied(start: int, size: int) -> Piece:
        return pieces.of_bytes(content[start : start + size])

    made = pickle_edits.edited(len(content), trace, states, copied)
    result = b"".join(block for piece in made for block in piece.blocks())
    assert len(result) == sum(piece.size for piece in made)
    return result


def values(content: bytes) -> Any:
    """The contents of a pickle, in a form that can be compared; long texts by their bytes."""
    seen: dict[int, int] = {}

    def shown(value: Any) -> Any:
        if isinstance(value, pickles.LongText):
            return content[value.start : value.start + value.size]
        if isinstance(value, pickles.Instance):
            if id(value) in seen:
                return ("again", seen[id(value)])
            seen[id(value)] = len(seen)
            return (value.type, shown(value.state))
        return [shown(one) for one in value] if isinstance(value, list) else value

    return shown(read(content)[0])


def test_a_state_is_replaced_and_nothing_else() -> None:
    before, after = text(b"before", 0) + b"\x88", b"K\x07" + get(0)
    content = pickle(before, engine(text(b"3"), text(b"net")), after)
    result = edited(content, {0: [b"9", b"net", b"more"]})
    assert result == pickle(before, engine(text(b"9"), text(b"net"), text(b"more")), after)
    assert values(result) == ["before", True, (ENGINE_TYPE, ["9", "net", "more"]), 7, "before"]


ENGINE_TYPE = "__torch__.torch.classes.tensorrt.Engine"


def test_without_changes_every_byte_stays() -> None:
    content = pickle(engine(text(b"3", 1)), get(1))
    assert edited(content, {}) == content


@pytest.mark.parametrize("number", [1, 255, 256, 10_000])
@pytest.mark.parametrize("shared", [b"0", b"\xff\xfe", b"", LONG], ids=["short", "bytes", "empty", "long"])
def test_texts_that_are_used_later_move_to_their_first_use(number: int, shared: bytes) -> None:
    before = text(b"x" * 10_000)  # a pickle has as many bytes as its largest number
    content = pickle(before, engine(text(b"3"), text(shared, number)), b"N", get(number), get(number))
    result = edited(content, {0: [b"4"]})
    assert result == pickle(before, engine(text(b"4")), b"N", text(shared, number), get(number))
    assert values(result)[2:] == values(content)[2:]


def test_names_that_are_used_later_move_too() -> None:
    """The second engine of a program names the function that tags its list by a number."""
    first = engine(text(b"3", 7), tag=TAG + put(6))
    second = engine(get(7), text(b"b"), tag=get(6))
    content = pickle(first, second)
    result = edited(content, {0: [b"4"]})
    assert result == pickle(engine(text(b"4")), engine(text(b"3", 7), text(b"b"), tag=TAG + put(6)))
    assert values(result) == [(ENGINE_TYPE, ["4"]), (ENGINE_TYPE, ["3", "b"])]
    assert edited(content, {1: [b"4"]}) == pickle(first, engine(text(b"4")))
    assert edited(content, {0: [b"4"], 1: [b"5"]}) == pickle(engine(text(b"4")), engine(text(b"5")))


def test_a_number_that_is_given_again_is_another_value() -> None:
    content = pickle(engine(text(b"old", 1)), text(b"new", 1), get(1))
    assert values(edited(content, {0: [b"4"]}))[1:] == ["new", "new"]
    content = pickle(engine(text(b"one", 1)), get(1), engine(text(b"two", 1)), get(1))
    result = edited(content, {0: [b"4"], 1: [b"5"]})
    assert values(result) == [(ENGINE_TYPE, ["4"]), "one", (ENGINE_TYPE, ["5"]), "two"]
    content = pickle(text(b"one", 1), engine(get(1) + put(2)), get(2), get(1))
    assert values(edited(content, {0: [b"4"]})) == ["one", (ENGINE_TYPE, ["4"]), "one", "one"]


def test_texts_used_by_states_that_are_replaced_do_not_move_there() -> None:
    states = [engine(text(b"t", 1)), engine(get(1), get(1)), engine(get(1)), engine(get(1))]
    content = pickle(*states, get(1))
    for changed in ((0,), (0, 1), (0, 2), (0, 1, 2), (0, 1, 2, 3), (1, 2)):
        result = values(edited(content, {i: [b"4"] for i in changed}))
        wanted = values(content)
        for i in changed:
            wanted[i] = (ENGINE_TYPE, ["4"])
        assert result == wanted, changed


def test_an_engine_that_is_used_again_stays_one() -> None:
    content = pickle(engine(text(b"3")) + put(1), get(1))
    assert values(edited(content, {0: [b"4"]})) == [(ENGINE_TYPE, ["4"]), ("again", 0)]


def test_texts_of_one_key_are_written_once() -> None:
    content = pickle(text(b"kept", 3), engine(text(b"3")), engine(text(b"3")), get(3))
    plan = Text(pieces.of_bytes(LONG), "plan")
    result = edited(content, {0: [b"4", plan], 1: [b"4", plan]})
    assert result.count(LONG) == 1
    assert values(result) == [
        "kept",
        (ENGINE_TYPE, ["4", LONG]),
        (ENGINE_TYPE, ["4", LONG]),
        "kept",
    ]


def test_a_state_by_its_number_and_values_beside_it() -> None:
    """A state may be made elsewhere or in another way, and what is done between an engine and its state is kept."""
    content = pickle(b"](" + text(b"3") + b"e" + put(1), ENGINE + get(1) + b"b", get(1))
    assert values(edited(content, {0: [b"4"]})) == [["3"], (ENGINE_TYPE, ["4"]), ["3"]]
    for state in (
        b"(" + text(b"3") + b"t",
        b"(l",
        b"((t" + text(b"3") + b"l",
        text(b"3") + b"\x85",
        b"]" + text(b"3") + b"a",
    ):
        content = pickle(ENGINE + b"N0" + state + b"b" + put(9), get(9))
        wanted = pickle(ENGINE + b"N0" + engine(text(b"4"))[len(ENGINE) :] + put(9), get(9))
        assert edited(content, {0: [b"4"]}) == wanted


@pytest.mark.parametrize(
    "content",
    [
        pickle(engine(text(b"3"), rest=put(1)), get(1)),  # the list itself
        pickle(ENGINE + b"]" + put(1) + b"(" + text(b"3") + b"eb", get(1)),  # the same, numbered before it is filled
        pickle(ENGINE + b"](" + text(b"3") + b")" + put(1) + b"eb", get(1)),
        pickle(ENGINE + b"](" + engine(text(b"3")) + put(1) + b"0" + text(b"3") + b"eb", get(1)),
    ],
)
def test_values_that_cannot_move_are_refused(content: bytes) -> None:
    last = len(read(content)[1].states) - 1
    with pytest.raises(ReadingError, match=r"shared with the record of an engine, and is no text; torch.jit.save"):
        edited(content, {last: [b"4"]})


def test_an_engine_inside_of_anothers_state_is_refused() -> None:
    content = pickle(ENGINE + b"](" + engine(text(b"3")) + b"0" + text(b"3") + b"eb")
    assert len(read(content)[1].states) == 2
    with pytest.raises(ReadingError, match="inside of another's"):
        edited(content, {0: [b"4"], 1: [b"4"]})


def test_texts_of_4_gib_have_a_length_of_eight_bytes() -> None:
    content = pickle(engine(text(b"3")))
    _, trace = read(content)
    for size, header in ((2**32 - 1, b"X\xff\xff\xff\xff"), (2**32, b"\x8d\0\0\0\0\1\0\0\0")):
        long = Text(Piece(size, lambda: iter(())))
        made = pickle_edits.edited(
            len(content), trace, [(trace.states[0].span, [long])], lambda start, size: pieces.of_bytes(b"")
        )
        assert header in [block for piece in made for block in piece.blocks()]
        assert sum(piece.size for piece in made) > size
