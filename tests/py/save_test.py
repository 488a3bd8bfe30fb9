"""nacelle.save and nacelle.load: kinds of engines in every format, in a fresh process, compared with eager mode."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import torch_nacelle as nacelle
from tests.py import zip_files
from tests.py.engine_kinds import BATCHED, KINDS, LARGER, Case, Doubled, Positive, TwoOutputs, X, hybrid, of

FIXED = nacelle.Input(shape=(2, 3))


def two_inputs() -> Case:
    class Added(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    second = nacelle.Input(min=(1, 3), opt=(1, 3), max=(8, 3), name="class")  # no name for an argument of Python
    model = Added()
    return Case(model, nacelle.compile(model, [BATCHED.named("left"), second], container="module"))


# The case, the inputs that save gets, and the tensors to call it with.
Saved = tuple[Callable[[], Case], Any, list[torch.Tensor]]

ONE = X[:1]
EXPORTED: dict[str, Saved] = {kind: (make, None, [ONE, X, LARGER]) for kind, make in KINDS.items() if kind != "hybrid"}
EXPORTED |= {
    "static": (lambda: of(TwoOutputs()), [FIXED], [X]),
    "static engine": (
        lambda: Case(TwoOutputs(), nacelle.compile(TwoOutputs(), [FIXED], container="module")),
        None,
        [X],
    ),
    "hybrid": (hybrid, [BATCHED], [ONE, X, LARGER]),
    "hybrid, of a tensor": (hybrid, [X], [ONE, X, LARGER]),
    "hybrid, static": (hybrid, [FIXED], [X]),
}


class ManyDtypes(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x > 2, torch.argmax(x, 1), x.half() * 2


FORMATS: dict[str, dict[str, Saved]] = {
    "torchscript": {kind: (make, None, [ONE, X, LARGER]) for kind, make in KINDS.items()},
    "exported": EXPORTED,
    # The inductor compiles C++ for each.
    "aotinductor": {kind: EXPORTED[kind] for kind in ("hybrid", "data-dependent")}
    | {"bool, int64, half, static": (lambda: of(ManyDtypes()), [FIXED], [X])},
}
SUFFIXES = {"torchscript": "ts", "exported": "pt2", "aotinductor": "pt2"}
CASES = [(format_, kind) for format_, kinds in FORMATS.items() for kind in kinds]

READ = """
import json, sys, torch, torch_nacelle as nacelle
plain = {
    "torchscript": torch.jit.load,
    "exported": lambda path: torch.export.load(path).module(),
    "aotinductor": torch._inductor.aoti_load_package,
}
for line in sys.stdin:
    format_, path, wanted = json.loads(line)
    try:
        for load in (nacelle.load, plain[format_]):
            run = load(path)
            for inputs, outputs in torch.load(wanted):
                with torch.no_grad():
                    torch.testing.assert_close(run(*inputs), outputs)
        print("ok", flush=True)
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def inductor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keeps inductor's cache out of the system's folder, and lets it compile fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        with torch._inductor.config.patch({"aot_inductor.compile_wrapper_opt_level": "O0"}):
            yield


@pytest.fixture(scope="module")
def fresh() -> Any:
    """A process that imports the package and reads files."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", READ], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(("format_", "kind"), CASES)
def test_a_saved_program_runs_in_a_fresh_process(
    format_: Any, kind: str, fresh: subprocess.Popen[str], tmp_path: Path
) -> None:
    make, inputs, calls = FORMATS[format_][kind]
    case = make()
    path = tmp_path / f"program.{SUFFIXES[format_]}"
    nacelle.save(case.module, path, format=format_, inputs=inputs)
    with torch.no_grad():
        torch.save([((x,), case.model(x)) for x in calls], tmp_path / "wanted.pt")
    assert fresh.stdin is not None and fresh.stdout is not None
    fresh.stdin.write(json.dumps([format_, str(path), str(tmp_path / "wanted.pt")]) + "\n")
    fresh.stdin.flush()
    assert fresh.stdout.readline() == "ok\n"


@pytest.fixture(scope="module")
def doubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("programs") / "doubled.pt2"
    nacelle.save(of(Doubled()).module, path)
    return path


def test_the_suffix_decides_about_the_format(tmp_path: Path) -> None:
    case = of(Doubled())
    for suffix in (".ts", ".pt", ".pt2", ".ep"):
        nacelle.save(case.module, tmp_path / f"x{suffix}")
        run = nacelle.load(tmp_path / f"x{suffix}")
        assert isinstance(run, torch.jit.ScriptModule if suffix in (".ts", ".pt") else torch.fx.GraphModule)
        torch.testing.assert_close(run(X), X * 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.ep", "x.pt", "x.pt2", "x.ts"]


def test_the_content_decides_and_not_the_suffix(tmp_path: Path, doubled: Path) -> None:
    (tmp_path / "x.ts").write_bytes(doubled.read_bytes())
    torch.testing.assert_close(nacelle.load(tmp_path / "x.ts")(X), X * 2)
    with doubled.open("rb") as file:
        torch.testing.assert_close(nacelle.load(file)(X), X * 2)


def test_a_program_of_two_inputs_that_vary_together(tmp_path: Path) -> None:
    case = two_inputs()
    nacelle.save(case.module, tmp_path / "x.pt2")
    run = nacelle.load(tmp_path / "x.pt2")
    for x in (ONE, X, LARGER):
        torch.testing.assert_close(run(x, x + 1), case.model(x, x + 1))


def test_sizes_that_the_profiles_do_not_allow_are_refused(doubled: Path) -> None:
    run = nacelle.load(doubled)
    for x in (torch.ones(9, 3), torch.ones(2, 4)):
        with pytest.raises((AssertionError, ValueError, nacelle.InputError), match=r"(?i)guard|expected|input"):
            run(x)


def test_a_profile_that_begins_above_one(tmp_path: Path) -> None:
    plan = nacelle.build_engine(Doubled(), [nacelle.Input(min=(3, 3), opt=(4, 3), max=(8, 3))])
    nacelle.save(nacelle.EngineModule(plan), tmp_path / "x.pt2")
    program = torch.export.load(tmp_path / "x.pt2")
    (bounds,) = program.range_constraints.values()
    assert (int(bounds.lower), int(bounds.upper)) == (3, 8)


class OneApart(torch.nn.Module):
    """An engine, and after it operators that treat a batch of 1 apart."""

    def __init__(self, by_branch: bool) -> None:
        super().__init__()
        self.engine = of(Doubled()).module
        self.by_branch = by_branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.engine(x)
        if self.by_branch:
            return y * 5 if x.shape[0] == 1 else y
        return y.squeeze(0)


@pytest.mark.parametrize("by_branch", [False, True])
def test_a_batch_of_one_that_is_treated_apart_is_told(by_branch: bool, tmp_path: Path) -> None:
    module = OneApart(by_branch)
    with pytest.raises(
        nacelle.InputError, match="if the module treats a size of 1 apart, give inputs that begin with 2"
    ):
        nacelle.save(module, tmp_path / "x.pt2", inputs=[BATCHED])
    for inputs in ([nacelle.Input(min=(2, 3), opt=(4, 3), max=(8, 3))], [X]):
        nacelle.save(module, tmp_path / "x.pt2", inputs=inputs)
        torch.testing.assert_close(nacelle.load(tmp_path / "x.pt2")(LARGER), module(LARGER))
        if by_branch:
            with pytest.raises(AssertionError, match="Guard failed"):
                nacelle.load(tmp_path / "x.pt2")(ONE)


def test_what_was_loaded_is_saved_again(tmp_path: Path, doubled: Path) -> None:
    loaded = nacelle.load(doubled)
    nacelle.save(loaded, tmp_path / "again.pt2")
    nacelle.save(nacelle.load(tmp_path / "again.pt2"), tmp_path / "package.pt2", format="aotinductor")
    for path in tmp_path.iterdir():
        run = nacelle.load(path)
        for x in (ONE, LARGER):
            torch.testing.assert_close(run(x), x * 2)
    members = zip_files.entries_of(tmp_path / "package.pt2")
    for member in members:
        member.content = member.content.replace(b'"AOTI_DEVICE_KEY": "cpu"', b'"AOTI_DEVICE_KEY": "cuda"')
    (tmp_path / "gpu.pt2").write_bytes(zip_files.written(members))
    if not torch.cuda.is_available():
        with pytest.raises(nacelle.DeviceError, match="cannot load the program on cuda: there is no such GPU here"):
            nacelle.load(tmp_path / "gpu.pt2")
    with pytest.raises(nacelle.DeviceError, match="compiled for cuda, and cannot be loaded on cpu"):
        nacelle.load(tmp_path / "gpu.pt2", device="cpu")
    with pytest.raises(nacelle.InputError, match="an AOTInductor package cannot be saved again; copy its file"):
        nacelle.save(nacelle.load(tmp_path / "package.pt2"), tmp_path / "x.pt2")
    with pytest.raises(nacelle.InputError, match=r"inputs are for an nn\.Module: the program is exported already"):
        nacelle.save(loaded, tmp_path / "x.pt2", inputs=[X])


def test_tensors_that_changed_after_loading_are_saved(tmp_path: Path) -> None:
    nacelle.save(hybrid().module, tmp_path / "x.pt2", inputs=[BATCHED])
    loaded = nacelle.load(tmp_path / "x.pt2")
    before = loaded(X)
    loaded.load_state_dict({"scale": torch.zeros(4)})
    nacelle.save(loaded, tmp_path / "x.pt2")
    again = nacelle.load(tmp_path / "x.pt2")(X)
    torch.testing.assert_close(again, loaded(X))
    assert not torch.equal(again, before)


def test_a_script_program_of_engines_alone_is_exported(tmp_path: Path) -> None:
    for model in (Doubled(), TwoOutputs(), Positive()):
        dependent = ["output_0"] if isinstance(model, Positive) else []
        script = nacelle.compile(model, [BATCHED], data_dependent=dependent)
        nacelle.save(script, tmp_path / "x.pt2")
        for x in (ONE, X, LARGER):
            torch.testing.assert_close(nacelle.load(tmp_path / "x.pt2")(x), model(x))
    program = torch.export.load(tmp_path / "x.pt2")
    assert program.graph_signature.user_inputs == ("input_0",)


class Chain(torch.nn.Module):
    """Two programs in a row: engines alone, and a tuple made of both results."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nacelle.compile(Doubled(), [BATCHED], name="first")
        self.second = nacelle.compile(TwoOutputs(), [BATCHED], name="second")

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y = self.first(x)
        a, b = self.second(y)
        return y, a, b


def test_a_script_program_of_two_engines_is_exported(tmp_path: Path) -> None:
    script = torch.jit.script(Chain())
    nacelle.save(script, tmp_path / "x.pt2")
    for x in (ONE, LARGER):
        torch.testing.assert_close(nacelle.load(tmp_path / "x.pt2")(x), script(x))


def test_an_engine_keeps_its_record_in_torchscript(tmp_path: Path) -> None:
    plan = nacelle.build_engine(TwoOutputs(), [BATCHED])
    module = nacelle.EngineModule(plan, name="net", abi_version=8, returns="list")
    nacelle.save(module, tmp_path / "x.ts")
    (engine,) = nacelle.read(tmp_path / "x.ts").engines
    assert (engine.name, engine.abi_version, engine.plan) == ("net", 8, plan)
    assert isinstance(torch.jit.load(tmp_path / "x.ts")(X), list)
    nacelle.save(module, tmp_path / "x.ts", abi_version=5)
    assert [engine.abi_version for engine in nacelle.read(tmp_path / "x.ts").engines] == [5]
    assert module.engine.abi_version() == 8  # type: ignore[attr-defined]


def versions(path: Path) -> list[int]:
    return [engine.abi_version() for engine in torch.export.load(path).constants.values()]


def test_the_version_of_the_records_in_exported_programs(tmp_path: Path) -> None:
    module = nacelle.EngineModule(nacelle.build_engine(Doubled(), [BATCHED]))
    for asked, found in ((None, 9), (3, 3), (7, 7), (10, 10)):
        nacelle.save(module, tmp_path / "x.pt2", abi_version=asked)
        assert versions(tmp_path / "x.pt2") == [found]
    assert module.engine.abi_version() == 3  # type: ignore[attr-defined]
    with pytest.raises(nacelle.RecordError, match="11"):
        nacelle.save(module, tmp_path / "x.pt2", abi_version=11)


def test_equal_programs_are_equal_files(tmp_path: Path) -> None:
    files = []
    for name in ("a", "b"):
        nacelle.save(hybrid().module, tmp_path / f"{name}.pt2", inputs=[BATCHED])
        files.append((tmp_path / f"{name}.pt2").read_bytes())
    assert files[0] == files[1]


def test_the_tensors_that_were_traced_are_not_in_the_file(tmp_path: Path) -> None:
    nacelle.save(hybrid().module, tmp_path / "x.pt2", inputs=[torch.full((2, 3), 1234.5)])
    (values,) = torch.export.load(tmp_path / "x.pt2").example_inputs[0]
    assert values.count_nonzero() == 0


BAD: dict[str, tuple[Callable[[], object], dict[str, Any], str]] = {
    "unknown suffix": (
        Doubled,
        {"name": "x.onnx"},
        r"suffix '\.onnx', which stands for no kind of program; wanted \.ts",
    ),
    "unknown format": (Doubled, {"format": "onnx"}, "there is no format 'onnx'; there are: torchscript, exported"),
    "no program": (lambda: 3, {}, "found int; wanted an nn.Module with engines"),
    "no inputs": (lambda: hybrid().module, {}, r"the inputs of Hybrid are not known.*give inputs=\[nacelle.Input"),
    "inputs for TorchScript": (lambda: hybrid().module, {"name": "x.ts", "inputs": [X]}, "inputs are for exported"),
    "inputs of another name": (lambda: hybrid().module, {"inputs": {"other": X}}, "other"),
    "inputs of another type": (lambda: hybrid().module, {"inputs": [3]}, "found int"),
    "too many inputs": (lambda: hybrid().module, {"inputs": [X, X]}, "Hybrid cannot be exported"),
    "a range that the engine lacks": (
        lambda: hybrid().module,
        {"inputs": [nacelle.Input(min=(1, 3), opt=(2, 3), max=(9, 3))]},
        "Hybrid cannot be exported|optimization profiles allow",
    ),
    "a program that does more": (
        lambda: torch.jit.script(torch.nn.ReLU()),
        {"inputs": [X]},
        r"the program does more than call engines \(.*relu.*\).*container='module'",
    ),
    "exported to TorchScript": (
        lambda: torch.export.export(Doubled(), (X,)),
        {"name": "x.ts"},
        r"an exported program cannot be saved as TorchScript.* it calls aten::mul\.Tensor",
    ),
    "a version that is none": (lambda: of(Doubled()).module, {"abi_version": "nine"}, "abi_version is 'nine'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_saved(case: str, tmp_path: Path) -> None:
    make, given, message = BAD[case]
    options = {"name": "x.pt2"} | given
    name = options.pop("name")
    program: Any = make()
    with pytest.raises(nacelle.Error) as error:
        nacelle.save(program, tmp_path / name, **options)
    assert re.search(message, str(error.value), re.DOTALL), str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        nacelle.save(of(Doubled()).module, tmp_path / "missing" / "x.pt2")


def test_a_failed_save_leaves_the_file_as_it_was(tmp_path: Path, doubled: Path) -> None:
    (tmp_path / "x.pt2").write_bytes(doubled.read_bytes())
    with pytest.raises(nacelle.InputError):
        nacelle.save(hybrid().module, tmp_path / "x.pt2")
    assert (tmp_path / "x.pt2").read_bytes() == doubled.read_bytes()


def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        nacelle.save(of(Doubled()).module, "/dev/full", format="exported")


def test_files_that_are_no_programs(tmp_path: Path, doubled: Path) -> None:
    plan = nacelle.build_engine(Doubled(), [BATCHED])
    state = io.BytesIO()
    torch.save({"x": X}, state)
    content = doubled.read_bytes()
    contents = {
        "plan": (plan, "no TorchScript program.*nacelle embed"),
        "state dict": (state.getvalue(), "what torch.save wrote"),
        "cut": (content[: len(content) // 2], "cut|damaged|end"),
        "ONNX": (b"\x08\x07\x12\x07pytorch", "no TorchScript program"),
        "empty": (b"", "empty"),
        "text": (b"hello", "no TorchScript program"),
    }
    for name, (bytes_, message) in contents.items():
        (tmp_path / name).write_bytes(bytes_)
        for source in (tmp_path / name, io.BytesIO(bytes_)):
            with pytest.raises(nacelle.InputError, match=message):
                nacelle.load(source)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        nacelle.load(tmp_path / "nothing")
    with pytest.raises(nacelle.InputError, match="is a folder"):
        nacelle.load(tmp_path)
    with pytest.raises(nacelle.InputError, match=r"found bytes.*io\.BytesIO"):
        nacelle.load(content)  # type: ignore[arg-type]


def test_a_device_that_is_not_there(doubled: Path) -> None:
    with pytest.raises(nacelle.DeviceError, match=r"cannot load the program on cuda:63: there is no such GPU here"):
        nacelle.load(doubled, device="cuda:63")
    with pytest.raises(nacelle.InputError, match="there is no device 'gpu'"):
        nacelle.load(doubled, device="gpu")
    torch.testing.assert_close(nacelle.load(doubled, device="cpu")(X), X * 2)


def test_a_program_without_engines(tmp_path: Path) -> None:
    nacelle.save(torch.nn.Linear(3, 2), tmp_path / "x.pt2", inputs=[BATCHED])
    assert nacelle.load(tmp_path / "x.pt2", device="cpu")(ONE).shape == (1, 2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="without a GPU tensors come to the CPU")
def test_tensors_of_a_gpu_come_to_the_cpu(tmp_path: Path) -> None:
    nacelle.save(hybrid().module, tmp_path / "x.pt2", inputs=[BATCHED])
    members = zip_files.entries_of(tmp_path / "x.pt2")
    for member in members:
        member.content = member.content.replace(b'{"type": "cpu", "index": null}', b'{"type": "cuda", "index": 0}')
    (tmp_path / "gpu.pt2").write_bytes(zip_files.written(members))
    torch.testing.assert_close(nacelle.load(tmp_path / "gpu.pt2")(X), nacelle.load(tmp_path / "x.pt2")(X))


def test_progress_is_told_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2", progress=True)
    lines = capfd.readouterr().err.splitlines()
    assert lines[:2] == [f"exported program: {tmp_path / 'x.pt2'}", "  exporting"]
    nacelle.save(of(Doubled()).module, tmp_path / "x.pt2")
    assert capfd.readouterr().err == ""
