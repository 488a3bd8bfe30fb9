"""Reading programs as files: the same facts as nacelle.read tells, nothing run, hardly any memory."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle
from nacelle_cli import loading
from nacelle_cli.reading import pickles, plans, programs
from nacelle_cli.reading.errors import ReadingError
from tests.data.records import make_golden
from tests.py.cli import samples
from tests.py.networks import Detector, TwoHeads, seeded

UPSTREAM = os.environ.get("NACELLE_UPSTREAM_DATA")
PLAN = nacelle.build_engine(seeded(TwoHeads), [samples.X])
ENCODED = base64.b64encode(PLAN)
VERSION_3 = [b"3", b"net", b"0%0%0%0%cpu", PLAN]
VERSION_5 = [b"5", b"net", b"0%0%0%0%cpu", ENCODED, b"input_0", b"output_0%output_1", b"0"]
VERSION_10 = [b"10", *VERSION_5[1:], b"", b"linux_x86_64", b"0", b"0", b"0", b""]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("programs") / "good.ts"
    nacelle.embed(PLAN, name="net").save(str(path))
    return path


def check_the_same(path: Path) -> None:
    """That this reader and torch's tell the same of every engine."""
    wanted = nacelle.read(torch.jit.load(str(path), map_location="cpu"))
    found = programs.read(path)
    assert [engine.path for engine in found.engines] == [engine.path for engine in wanted.engines]
    for ours, theirs in zip(found.engines, wanted.engines, strict=True):
        assert ours.problem == ""
        assert ours.record is not None
        assert ours.plan is not None
        assert ours.record.version == theirs.abi_version
        for name in ("name", "device", "device_description", "flags"):
            assert getattr(ours.record, name) == getattr(theirs, name), name
        assert ours.record.metadata.decode("utf-8", "backslashreplace") == theirs.metadata
        assert list(ours.record.input_names) == theirs.input_names
        assert list(ours.record.output_names) == theirs.output_names
        assert (ours.plan.size, ours.plan.description) == (theirs.plan_size, theirs.plan_release)
        assert ours.plan.sha256 == hashlib.sha256(theirs.plan).hexdigest()
    assert {name: len(content) for name, content in nacelle.read(path).extra_files.items()} == found.extra_files


def frozen(path: Path) -> None:
    program = nacelle.compile(seeded(Detector), {"backbone": [samples.X]})
    torch.jit.freeze(program).save(str(path))


def two_engines(path: Path) -> None:
    program = nacelle.compile(seeded(Detector), {"backbone": [samples.X], "head.box": [torch.rand(1, 8)]})
    program.save(str(path))


def without_engines(path: Path) -> None:
    torch.jit.script(seeded(TwoHeads)).save(str(path))


@pytest.mark.parametrize(
    "make",
    [
        samples.hybrid,
        samples.for_gpu,
        samples.held_in_containers,
        samples.whole,
        frozen,
        two_engines,
        without_engines,
    ],
)
def test_the_same_as_torch_reads(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "program.ts")
    check_the_same(tmp_path / "program.ts")


def test_every_path_leads_to_its_engine(tmp_path: Path) -> None:
    """The path that both readers give leads to the engine, also to one in a graph."""
    samples.held_in_containers(tmp_path / "held.ts")
    paths = [engine.path for engine in programs.read(tmp_path / "held.ts").engines]
    assert paths == ["listed[0]", "listed[1]", 'named["a\\"b.c"]', 'named["x"]', "paired[0]"]
    loaded = loading.of_program(tmp_path / "held.ts", paths)
    assert all(loaded[path].ready for path in paths)
    frozen(tmp_path / "frozen.ts")
    (path,) = [engine.path for engine in programs.read(tmp_path / "frozen.ts").engines]
    assert path == "forward:constant[0]"
    assert loading.of_program(tmp_path / "frozen.ts", [path])[path].ready


@pytest.mark.parametrize("version", range(3, 11))
def test_every_version(good: Path, version: int, tmp_path: Path) -> None:
    nacelle.convert(good, tmp_path / "converted.ts", abi_version=version)
    check_the_same(tmp_path / "converted.ts")
    golden = [text for _, text in make_golden.record(version)]
    samples.replace_record(good, golden, tmp_path / "golden.ts")
    check_the_same(tmp_path / "golden.ts")


@pytest.mark.parametrize("fields", [VERSION_3, VERSION_10], ids=["version 3", "version 10"])
def test_strings_are_read_as_torch_writes_those_of_4_gib(good: Path, fields: list[bytes], tmp_path: Path) -> None:
    samples.replace_record(good, fields, tmp_path / "long.ts", samples.long_string)
    check_the_same(tmp_path / "long.ts")


def test_what_several_modules_share_is_told_as_torch_tells_it(good: Path, tmp_path: Path) -> None:
    shared = torch.jit.load(str(good))

    class Holder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = shared
            self.second = shared

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.first(x)[0] + self.second(x)[0]

    torch.jit.script(Holder()).save(str(tmp_path / "twice.ts"))
    check_the_same(tmp_path / "twice.ts")


@pytest.mark.skipif(
    not UPSTREAM, reason="programs that Torch-TensorRT saved: set NACELLE_UPSTREAM_DATA to their folder"
)
def test_programs_of_torch_tensorrt() -> None:
    found = sorted(Path(UPSTREAM or "").glob("*.ts"))
    assert found
    for path in found:
        check_the_same(path)


def replaced(fields: list[bytes], index: int, value: bytes) -> list[bytes]:
    return [*fields[:index], value, *fields[index + 1 :]]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        replaced(VERSION_3, 0, b"2"),
        replaced(VERSION_3, 0, b"11"),
        VERSION_3[:-1],
        [*VERSION_3, b""],
        VERSION_10[:-1],
        replaced(VERSION_3, 3, b""),
        replaced(VERSION_3, 2, b"cuda"),
        replaced(VERSION_3, 2, "0%8%6%0%ä\x07".encode() * 20),
        replaced(VERSION_5, 3, ENCODED[:-1]),
        replaced(VERSION_5, 3, b"*" + ENCODED[1:]),
        replaced(VERSION_5, 3, b"=" + ENCODED[1:]),
        replaced(VERSION_5, 3, b"QUJ="),
        replaced(VERSION_5, 3, b"QR=="),
        replaced(VERSION_5, 3, b"Q==="),
        replaced(VERSION_5, 4, b"a%a"),
        replaced(VERSION_10, 12, b"output_0@x@k"),
    ],
)
def test_a_damaged_record_has_the_same_words(good: Path, fields: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "damaged.ts"
    samples.replace_record(good, fields, path)
    with pytest.raises(nacelle.RecordError) as wanted:
        torch.jit.load(str(path))
    (engine,) = programs.read(path).engines
    assert engine.problem == wanted.value.reason
    with pytest.raises(nacelle.RecordError) as found:
        nacelle.read(path)
    assert found.value.reason == wanted.value.reason
    assert engine.path == "net_trt_engine"


@pytest.mark.parametrize("plan", [b"garbage", PLAN[:6]])
def test_a_damaged_plan_has_the_same_words(good: Path, plan: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.ts"
    samples.replace_record(good, replaced(VERSION_3, 3, plan), path)
    with pytest.raises(nacelle.PlanError) as wanted:
        str(nacelle.read(torch.jit.load(str(path))).engines[0].plan_release)
    with pytest.raises(nacelle.PlanError) as found:
        str(nacelle.read(path).engines[0].plan_release)
    assert found.value.reason == wanted.value.reason
    (engine,) = programs.read(path).engines
    assert engine.plan is not None
    assert engine.plan.problem == wanted.value.reason
    assert engine.plan.sha256 == hashlib.sha256(plan).hexdigest()


def header(magic: bytes, *release: int) -> bytes:
    """The beginning of a plan of a release."""
    plan = bytearray(magic.ljust(100, b"\1"))
    for offset, number in zip((28, 33, 38, 43) if magic == b"ptrt" else range(24, 28), release, strict=True):
        plan[offset] = number
    return bytes(plan)


NEVER = "(cannot run here: Nacelle calls "


@pytest.mark.parametrize(
    ("plan", "never"),
    [
        (header(b"ptrt", 8, 4, 3, 1), True),
        (header(b"ftrt", 8, 6, 1, 6), False),
        (header(b"ftrt", 12, 0, 0, 1), True),
        (header(b"vtrt", 2, 0, 0, 1), True),
    ],
)
def test_a_plan_that_can_never_run_says_so(good: Path, plan: bytes, never: bool, tmp_path: Path) -> None:
    path = tmp_path / "old.ts"
    samples.replace_record(good, replaced(VERSION_3, 3, plan), path)
    check_the_same(path)
    (engine,) = programs.read(path).engines
    assert engine.plan is not None
    assert (NEVER in engine.plan.description) is never
    why_not = torch.jit.load(str(path)).net_trt_engine.why_not_ready()
    assert ("build the engine again with one of these releases" in why_not) is never, why_not
    if never:
        assert f"the plan was built by {engine.plan.kind} {engine.plan.release}, and Nacelle calls" in why_not


def test_a_reference_plan_tells_its_tensors(tmp_path: Path) -> None:
    samples.whole(tmp_path / "net.ts")
    (engine,) = programs.read(tmp_path / "net.ts").engines
    assert engine.plan is not None
    wanted = torch.jit.load(str(tmp_path / "net.ts")).net_trt_engine
    for specs, tensors in ((engine.plan.inputs, wanted.inputs()), (engine.plan.outputs, wanted.outputs())):
        assert specs is not None
        found = [(one.name, one.dtype, list(one.shape), [[list(x) for x in p] for p in one.profiles]) for one in specs]
        assert found == tensors
    assert engine.plan.profile_count == wanted.optimization_profile_count()


@pytest.mark.parametrize("size", [0, 1, 2, 3, (3 << 18) - 1, 3 << 18, (3 << 18) + 1])
def test_base64_over_the_ends_of_blocks(size: int) -> None:
    plan = random.Random(size).randbytes(size)
    stored = plans.of_bytes(base64.b64encode(plan), encoded=True)
    assert b"".join(stored.blocks()) == plan


class TestSource:
    def test_operators_are_those_of_torchs_inlined_graph(self, tmp_path: Path) -> None:
        model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Sigmoid())
        )
        torch.jit.trace(model.eval(), samples.X).save(str(tmp_path / "traced.ts"))
        graph = torch.jit.load(str(tmp_path / "traced.ts")).inlined_graph
        wanted = Counter(node.kind() for node in graph.nodes() if node.kind().startswith("aten::"))
        assert programs.read(tmp_path / "traced.ts").operators == wanted
        assert sum(wanted.values()) == 4

    def test_calls_are_counted_each_time_and_both_sides_of_a_branch(self, tmp_path: Path) -> None:
        samples.hybrid(tmp_path / "hybrid.ts")
        operators = programs.read(tmp_path / "hybrid.ts").operators
        assert operators["tensorrt::execute_engine"] == 2
        assert operators["aten::linear"] == 2
        assert operators["aten::sigmoid"] == 1

    def test_signature(self, tmp_path: Path) -> None:
        class Scaled(torch.nn.Module):
            def forward(self, x: torch.Tensor, scale: float = 0.5, name: str | None = None) -> list[torch.Tensor]:
                return [x * scale]

        torch.jit.script(Scaled()).save(str(tmp_path / "scaled.ts"))
        wanted = "forward(x: Tensor, scale: float=0.5, name: Optional[str]=None) -> List[Tensor]"
        assert str(programs.read(tmp_path / "scaled.ts").forward) == wanted

    def test_tensors_are_counted_once(self, tmp_path: Path) -> None:
        class Tied(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.a = torch.nn.Linear(3, 5)
                self.b = torch.nn.Linear(3, 5)
                self.b.weight = self.a.weight
                self.register_buffer("mean", torch.zeros(7, dtype=torch.bfloat16))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.a(x) + self.b(x)

        torch.jit.script(Tied()).save(str(tmp_path / "tied.ts"))
        sums = programs.read(tmp_path / "tied.ts").tensors
        assert (sums["parameters"].count, sums["parameters"].size) == (4, 4 * (15 + 5 + 5))
        assert (sums["buffers"].elements, sums["buffers"].size, dict(sums["buffers"].dtypes)) == (
            7,
            14,
            {"bfloat16": 1},
        )


class Opener:
    """Pickled as a call that would leave a trace."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


def test_nothing_of_a_pickle_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "evil.pkl").open("wb") as file:
        pickle.dump([Opener()], file, protocol=2)
    with (tmp_path / "evil.pkl").open("rb") as stream:
        (found,) = pickles.load(stream, "evil")
    assert isinstance(found, pickles.Call)
    assert found.function.endswith(".mkdir")
    assert not (tmp_path / "executed").exists()


def pickle_of(program: Path) -> bytes:
    with zipfile.ZipFile(program) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        return archive.read(name)


def with_pickle(program: Path, content: bytes, path: Path) -> None:
    with zipfile.ZipFile(program) as archive, zipfile.ZipFile(path, "w") as out:
        for item in archive.infolist():
            out.writestr(item.filename, content if item.filename.endswith("/data.pkl") else archive.read(item))


def test_damaged_pickles_end_in_a_message(tmp_path: Path) -> None:
    """Cut off anywhere, or with wrong bytes anywhere: read, or refused in words; nothing else."""
    samples.for_gpu(tmp_path / "good.ts")
    samples.replace_record(tmp_path / "good.ts", VERSION_10, tmp_path / "small.ts")
    content = pickle_of(tmp_path / "small.ts")
    numbers = random.Random(5)
    cut = [content[:end] for end in range(0, len(content), 41)]
    wrong = []
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(numbers.choice([1, 2, 8])):
            changed[numbers.randrange(len(changed))] = numbers.randrange(256)
        wrong.append(bytes(changed))
    refused = 0
    for damaged in [*cut, *wrong]:
        with_pickle(tmp_path / "small.ts", damaged, tmp_path / "damaged.ts")
        try:
            programs.read(tmp_path / "damaged.ts")
        except ReadingError as error:
            assert "damaged.ts" in str(error)
            refused += 1
    assert refused >= len(cut)


def test_damaged_archives_end_in_a_message(good: Path, tmp_path: Path) -> None:
    content = good.read_bytes()
    numbers = random.Random(6)
    path = tmp_path / "damaged.ts"
    for end in range(4, len(content), 97):
        path.write_bytes(content[:end])
        with pytest.raises(ReadingError, match=r"damaged\.ts"):
            programs.read(path)
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(4):
            changed[numbers.randrange(4, len(changed))] = numbers.randrange(256)
        path.write_bytes(changed)
        try:
            programs.read(path)
        except ReadingError as error:
            assert "damaged.ts" in str(error)


@pytest.mark.parametrize("name", ["data.pkl", "constants.pkl", "code/__torch__.py"])
def test_a_wrong_checksum_is_told(good: Path, name: str, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    with zipfile.ZipFile(good) as archive:
        info = archive.getinfo(f"good/{name}")
    position = content.index(b"PK\x01\x02")
    while content[position + 46 : position + 46 + len(info.filename)] != info.filename.encode():
        position = content.index(b"PK\x01\x02", position + 1)
    for place in (position + 16, content.index(b"PK\x07\x08", info.header_offset + 30 + info.compress_size) + 4):
        content[place] ^= 1  # the checksum in the table of contents, and that after the bytes
    (tmp_path / "wrong.ts").write_bytes(content)
    with pytest.raises(ReadingError, match=rf"wrong\.ts: .*{name}.* cannot be read: Bad CRC-32"):
        programs.read(tmp_path / "wrong.ts")


def test_nesting_without_end_is_refused(good: Path, tmp_path: Path) -> None:
    nested = b"\x80\x02c__torch__\nnet_trt\n)\x81}(X\x01\x00\x00\x00a" + b"]" * 50_000 + b"a" * 49_999 + b"ub."
    with_pickle(good, nested, tmp_path / "deep.ts")
    with pytest.raises(ReadingError, match="nested too deeply"):
        programs.read(tmp_path / "deep.ts")


MEASURE = """
import pathlib, resource, sys
from nacelle_cli.reading import programs
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read = int(pathlib.Path("/proc/self/io").read_text().split()[1])
(engine,) = programs.read(pathlib.Path(sys.argv[1])).engines
used = resource.getrusage(resource.RUSAGE_SELF)
read = int(pathlib.Path("/proc/self/io").read_text().split()[1]) - read
print(engine.plan.size, used.ru_maxrss - before, read, "torch" in sys.modules)
"""


@pytest.mark.parametrize("megabytes", [40, 100])
def test_a_plan_is_not_held_in_memory(good: Path, tmp_path: Path, megabytes: int) -> None:
    """Seen with 100 MB: 4 MiB above the interpreter's own. The file is read twice."""
    samples.large(good, tmp_path / "large.ts", megabytes * 1_000_000)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "large.ts")]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    size, kilobytes, read, torch_is_there = output.split()
    assert int(size) > megabytes * 999_000
    assert int(kilobytes) < 16_000
    assert int(read) < 2.1 * (tmp_path / "large.ts").stat().st_size
    assert torch_is_there == "False"


def test_tensors_of_old_programs_are_compared_by_their_bytes(tmp_path: Path) -> None:
    samples.hybrid(tmp_path / "a.ts")
    held = programs.read(tmp_path / "a.ts").held
    digests = programs.hash_entries(tmp_path / "a.ts", (tensor.entry for tensor in held.values()))
    state = seeded(Detector).state_dict()
    assert {name for name in held if name.startswith("head.")} == {name for name in state if name.startswith("head.")}
    for name, tensor in held.items():
        assert dataclasses.asdict(tensor)["shape"] == tuple(state[name].shape)
        assert digests[tensor.entry] == hashlib.sha256(state[name].numpy().tobytes()).hexdigest()
