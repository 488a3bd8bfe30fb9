"""The extension without torch: records, base64, headers of plans, quoting."""

from __future__ import annotations

import base64
import random
import re
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import nacelle_core
from nacelle_core import PlanHeader, Record, _core
from tests.data.records import make_golden

EXTENSION = Path(str(_core.__file__))
DEVICE = b"0%9%0%0%NVIDIA H100 80GB HBM3"
PLAN = b"ftrt" + bytes(20) + bytes([8, 6, 1, 6]) + bytes(100)
# Stands for the plan in a record that is parsed without it.
NO_PLAN = b""


def golden(version: int) -> list[bytes]:
    return [text for _, text in make_golden.record(version)]


def test_it_needs_no_torch() -> None:
    """Neither the extension's own needs nor an import in a Python that has no torch."""
    shown = subprocess.run(["readelf", "-d", str(EXTENSION)], capture_output=True, text=True, check=True).stdout
    assert "(NEEDED)" in shown
    # Names alone: an address may have any digits.
    assert not [line for line in shown.splitlines() if re.search(r"\[.*(torch|c10)|PATH\)", line)]
    folder = str(EXTENSION.parents[1])
    code = f"import sys; sys.path.insert(0, {folder!r}); sys.modules['torch'] = None; import nacelle_core; print('in')"
    outcome = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout == "in\n"


@pytest.mark.parametrize("version", range(3, 11))
def test_records_of_every_version_come_back(version: int) -> None:
    fields = golden(version)
    record = Record.parse(fields)
    assert record.fields() == fields
    assert record == Record.parse(fields)
    assert (record.version, record.encoded) == (version, version > 3)
    assert record.encoded == nacelle_core.holds_base64(version)
    wanted = base64.b64decode(fields[3]) if version > 3 else fields[3]
    assert record.plan == wanted
    assert nacelle_core.record_version(fields[0], len(fields)) == version


def test_a_record_tells_its_fields() -> None:
    fields = [
        b"10", b"n\xffet", DEVICE, base64.b64encode(PLAN), b"a%b", b"c", b"1", b"\x80\0meta", b"linux_x86_64", b"1",
        b"1", b"0", b"c@a@user",
    ]  # fmt: skip
    record = Record.parse(fields)
    assert (record.name, record.device) == (r"n\xffet", DEVICE.decode())
    assert record.device_description == 'GPU 0 "NVIDIA H100 80GB HBM3" (compute capability 9.0)'
    assert (record.input_names, record.output_names) == (["a", "b"], ["c"])
    assert record.metadata == b"\x80\0meta"
    assert record.flags == {
        "hardware_compatible": True,
        "target_platform": "linux_x86_64",
        "requires_output_allocator": True,
        "dynamic_resource_allocation": True,
        "requires_native_multi_device": False,
        "aliased_io": [("c", "a", "user")],
    }
    record.plan = b"nref other"
    record.metadata = b""
    assert record.fields() == [*fields[:3], base64.b64encode(b"nref other"), *fields[4:7], b"", *fields[8:]]


def test_a_record_is_made_of_its_parts() -> None:
    made = Record(version=5, name=b"net", device=DEVICE, plan=PLAN, hardware_compatible=True)
    assert made.fields() == [b"5", b"net", DEVICE, base64.b64encode(PLAN), b"", b"", b"1"]
    assert Record.parse(made.fields()) == made
    with pytest.raises(nacelle_core.RecordError, match="version 11 is not known"):
        Record(version=11, name=b"net", device=DEVICE, plan=PLAN).fields()
    with pytest.raises(nacelle_core.RecordError, match="hardware_compatible"):
        Record(version=3, name=b"net", device=DEVICE, plan=PLAN, hardware_compatible=True).fields()


def test_a_record_is_read_without_its_plan() -> None:
    fields = [b"4", b"net", DEVICE, NO_PLAN, b"a", b"b"]
    assert Record.parse(fields, with_plan=False).plan == b""
    with pytest.raises(nacelle_core.RecordError, match="the plan is empty"):
        Record.parse(fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "record has no fields; wanted an ABI version (3 to 10) as its first"),
        ([b""], 'record field 0 (abi_version): "" is not a version; wanted 3 to 10'),
        ([b"9" * 5000], f'"{"9" * 24}"… (5000 bytes) is not a version'),
        ([b"11"], "record of ABI version 11; versions 3 to 10 can be read: update Nacelle"),
        ([b"3"], "record of ABI version 3 has 1 fields; wanted 4: abi_version, name, device, engine"),
        ([b"3"] * 4096, "has 4096 fields; wanted 4"),
        ([b"3", b"n", b"9" * 5000 + b"%9%0%0%G", PLAN], "as its id, which is not a plain decimal number"),
        ([b"3", b"n", b"0%9%0%2%G", PLAN], "is of type 2, neither 0 (GPU) nor 1 (DLA)"),
        ([b"3", b"n", b"%" * 5000, PLAN], "has 5001 parts between '%' instead of 5"),
        ([b"4", b"n", DEVICE, b"QUJ=", b"", b""], '"J" at position 2 of 4, before padding'),
        ([b"4", b"n", DEVICE, b"QUJDR", b"", b""], "base64 of 5 characters; wanted a multiple of four"),
        ([b"4", b"n", DEVICE, b"QUJD", b"%" * 5000, b""], "name 0 of 5001 is empty"),
        ([b"4", b"n", DEVICE, b"QUJD", b"a%\xff%\xff", b""], r'name 2 of 3, "\xff", is there twice'),
        ([b"5", b"n", DEVICE, b"QUJD", b"", b"", "\u202e".encode()], r'flag is "\u202e"; wanted 0 or 1'),
    ],
)
def test_damaged_records_are_refused(fields: list[bytes], message: str) -> None:
    with pytest.raises(nacelle_core.RecordError) as caught:
        Record.parse(fields)
    assert message in str(caught.value)
    assert isinstance(caught.value, nacelle_core.Error)


def texts(count: int) -> list[bytes]:
    """Base64 of every length below `count`, of random bytes."""
    numbers = random.Random(7)
    return [base64.b64encode(numbers.randbytes(length)) for length in range(count)]


def decoded(text: bytes, step: int) -> bytes:
    return b"".join(
        nacelle_core.decode_base64(text[start : start + step], start, len(text)) for start in range(0, len(text), step)
    )


def test_base64_is_pythons() -> None:
    for text in [*texts(50), base64.b64encode(random.Random(1).randbytes(300_001))]:
        content = base64.b64decode(text, validate=True)
        assert nacelle_core.encode_base64(content) == text
        for step in (4, 12, 1 << 18):
            assert decoded(text, step) == content


def outcome(work: Callable[..., object], *arguments: object, **options: object) -> object:
    """The result, or the error as a text; an error of another class is not caught."""
    try:
        return work(*arguments, **options)
    except nacelle_core.RecordError as error:
        return str(error)


def test_base64_that_is_cut_or_changed_anywhere_is_refused_in_any_blocks() -> None:
    numbers = random.Random(3)
    for text in texts(20):
        cuts = [text[:end] for end in range(1, len(text))]
        changes = [text[:at] + bytes([numbers.randrange(256)]) + text[at + 1 :] for at in range(len(text))]
        for bad in [*cuts, *changes]:
            wanted = outcome(decoded, bad, len(bad))
            for step in (4, 8):
                assert outcome(decoded, bad, step) == wanted
            if isinstance(wanted, bytes):  # what is accepted is the one encoding of its bytes
                assert base64.b64encode(wanted) == bad


@pytest.mark.parametrize(("part", "start", "size"), [(b"QUJ", 0, 8), (b"QUJD", 2, 8), (b"QUJD", 8, 8), (b"", 4, 0)])
def test_a_part_of_no_text_is_refused(part: bytes, start: int, size: int) -> None:
    with pytest.raises(nacelle_core.InputError, match="wanted multiples of four within the text"):
        nacelle_core.decode_base64(part, start, size)


@pytest.mark.parametrize(
    ("plan", "kind", "release", "description"),
    [
        (PLAN, "TensorRT", "8.6.1.6", "TensorRT 8.6.1.6"),
        (b"ftrt" + bytes(20) + bytes([12, 3, 0, 1]), "TensorRT", "12.3.0.1", "TensorRT 12.3.0.1 (cannot run here: "),
        (b"vtrt" + bytes(20) + bytes([1, 5, 0, 7]), "TensorRT-RTX", "1.5.0.7", "TensorRT-RTX 1.5.0.7"),
        (b"nref" + (258).to_bytes(4, "little"), "reference engine", "258", "reference engine, plan format 258"),
    ],
)
def test_headers_of_plans(plan: bytes, kind: str, release: str, description: str) -> None:
    header = PlanHeader.parse(plan[: nacelle_core.PLAN_START], len(plan))
    assert (header.kind, header.release) == (kind, release)
    assert header.description.startswith(description)
    assert nacelle_core.has_plan_magic(plan)
    assert not nacelle_core.has_plan_magic(plan[:3])


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (b"", "not a plan that is known: 0 bytes that begin with no bytes"),
        (
            b"PK\x03\x04\xff\x1b",
            r'begin with 50 4b 03 04 ff 1b ("PK\x03\x04\xff\x1b"); wanted one of the magics "ftrt"',
        ),
        (PLAN[:27], 'plan of 27 bytes begins like one of magic "ftrt", whose header takes 28 bytes: it is cut off'),
        (b"nref" + b"\xff" * 4, "reference engine plan of format version 4294967295; wanted 1 or more"),
    ],
)
def test_headers_that_are_none(plan: bytes, message: str) -> None:
    with pytest.raises(nacelle_core.PlanError) as caught:
        PlanHeader.parse(plan[: nacelle_core.PLAN_START], len(plan))
    assert message in str(caught.value)


def test_texts_for_messages_and_terminals() -> None:
    text = 'a"\\\x1b\u202e\U000e0041é'.encode() + b"\xff"
    assert nacelle_core.quote(text) == r'"a\"\\\x1b\u202e\U000e0041é\xff"'
    assert nacelle_core.printable(text) == r'a"\\\x1b\u202e\U000e0041é\xff'.replace(r"\\", "\\")
    assert nacelle_core.quote("ab€".encode(), 4) == '"ab"… (5 bytes)'


def reference_plan() -> bytes:
    """A plan with a dynamic input and two outputs, written as docs/reference/reference_engine.md has the format."""

    def tensor(name: bytes, dtype: int, shape: list[int], *profile: list[int]) -> bytes:
        extents = [extent for part in (shape, *profile) for extent in part]
        numbers = struct.pack("<iII", dtype, 0, len(shape)) + struct.pack(f"<{len(shape)}q", *shape)
        profiles = struct.pack(f"<I{len(extents) - len(shape)}q", bool(profile), *extents[len(shape) :])
        return struct.pack("<I", len(name)) + name + numbers + profiles

    inputs = struct.pack("<I", 1) + tensor(b"x", 0, [-1, 3], [1, 3], [2, 3], [4, 3])
    outputs = struct.pack("<I", 2) + tensor(b"y\xff", 8, [-1, 3]) + tensor(b"z", 5, [])
    payload = struct.pack("<iI", 1, 3) + b"net" + inputs + outputs + struct.pack("<Q", 6) + b"module"
    return b"nref" + struct.pack("<IQQ", 1, 24 + len(payload), 0) + payload


def test_a_reference_plan_tells_its_tensors_without_its_module() -> None:
    plan = reference_plan()
    name, profile_count, inputs, outputs = nacelle_core.describe_reference_plan(plan[:-14], len(plan))
    assert (name, profile_count) == ("net", 1)
    assert inputs == [("x", "float32", [-1, 3], [([1, 3], [2, 3], [4, 3])])]
    assert outputs == [(r"y\xff", "int64", [-1, 3], []), ("z", "uint8", [], [])]


def test_a_damaged_reference_plan_says_where() -> None:
    plan = reference_plan()
    dtype = plan.index(b"x") + 1
    cases = [
        (plan[:-14], len(plan) + 1, "plan size at byte 8 is "),
        (plan[:dtype] + b"\x63" + plan[dtype + 1 :], len(plan), 'input 0 ("x") dtype is 99; wanted one of 0 (float32)'),
        (plan[:-24], len(plan), 'output 1 ("z") flags at byte'),
        (plan.replace(b"nref", b"ftrt"), len(plan), 'magic at byte 0 is "ftrt"; wanted "nref"'),
    ]
    for start, size, message in cases:
        with pytest.raises(nacelle_core.PlanError) as caught:
            nacelle_core.describe_reference_plan(start, size)
        assert message in str(caught.value)


def test_constants() -> None:
    assert nacelle_core.CPU_DEVICE == "0%0%0%0%cpu"
    assert nacelle_core.DEFAULT_ABI_VERSION == 3
    assert nacelle_core.ENGINE_FIELD == 3


def test_random_bytes_raise_errors_of_ours_alone() -> None:
    """And they take no memory beyond what they are: no number in them is believed."""
    numbers = random.Random(11)
    pieces = [b"3", b"4", b"10", b"", b"%", b"@", b"=", b"0", b"1", b"QUJD", b"ftrt", b"nref", DEVICE, b"\xff", b"\0"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20_000):
        fields = [b"".join(numbers.choices(pieces, k=numbers.randrange(4))) for _ in range(numbers.randrange(14))]
        outcome(Record.parse, fields)
        outcome(Record.parse, fields, with_plan=False)
        start = numbers.choice([b"ftrt", b"ptrt", b"vtrt", b"nref"]) + numbers.randbytes(numbers.randrange(64))
        try:
            PlanHeader.parse(start, numbers.choice([0, len(start), 1 << 60]))
        except nacelle_core.PlanError as error:
            assert str(error).isprintable()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
