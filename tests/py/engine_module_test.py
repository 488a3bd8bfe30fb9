"""EngineModule: kinds of engines in all ways to run them, compared with eager mode; what an nn.Module does."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo.testing
from torch.overrides import TorchFunctionMode

import torch_nacelle as nacelle
from tests.py.engine_kinds import BATCHED, KINDS, LARGER, Doubled, TwoOutputs, Windows, X, hybrid, of

Runner = Callable[[torch.Tensor], object]


def compiled(backend: str, dynamic: bool) -> Callable[[torch.nn.Module], Runner]:
    def make(module: torch.nn.Module) -> Runner:
        torch._dynamo.reset()
        return torch.compile(module, backend=backend, fullgraph=True, dynamic=dynamic)

    return make


def exported(strict: bool, dynamic: bool, reloaded: bool = False) -> Callable[[torch.nn.Module], Runner]:
    def make(module: torch.nn.Module) -> Runner:
        shapes: Any = ({0: torch.export.Dim.DYNAMIC},) if dynamic else None
        if isinstance(module, nacelle.EngineModule):
            shapes = (shapes,) if shapes else None  # forward takes *inputs
        program = torch.export.export(module, (X,), strict=strict, dynamic_shapes=shapes)
        if reloaded:
            file = io.BytesIO()
            torch.export.save(program, file)
            file.seek(0)
            program = torch.export.load(file)
        return program.module()

    return make


WAYS: dict[str, Callable[[torch.nn.Module], Runner]] = {
    "eager": lambda module: module,
    "deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
    "compile, eager": compiled("eager", dynamic=True),
    "compile, aot_eager": compiled("aot_eager", dynamic=True),
    "compile, inductor, static": compiled("inductor", dynamic=False),
    "compile, inductor": compiled("inductor", dynamic=True),
    "export, static": exported(strict=False, dynamic=False),
    "export": exported(strict=False, dynamic=True),
    "export, saved and loaded": exported(strict=False, dynamic=True, reloaded=True),
}
if torch.__version__ >= "2.13":  # torch 2.11's strict mode takes no object of a C++ class; 2.12 was not tried
    WAYS["export, strict, static"] = exported(strict=True, dynamic=False)
    WAYS["export, strict"] = exported(strict=True, dynamic=True)
STATIC = {"export, static", "export, strict, static"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_in_every_way(kind: str, way: str) -> None:
    case = KINDS[kind]()
    run = WAYS[way](case.module)
    for x in (X, X + 1) if way in STATIC else (X, LARGER):
        with torch.no_grad():
            torch.testing.assert_close(run(x), case.model(x))


READ = """
import sys, torch, torch_nacelle
program = torch.export.load(sys.argv[1])
x, wanted = torch.load(sys.argv[2])
torch.testing.assert_close(program.module()(x), wanted)
"""

READ_PACKAGE = """
import sys, torch, torch_nacelle
x, wanted = torch.load(sys.argv[2])
torch.testing.assert_close(torch._inductor.aoti_load_package(sys.argv[1])(x), wanted)
"""


@pytest.fixture(autouse=True)
def inductor_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps inductor's cache out of the system's folder, where another run may have left something."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))


@pytest.mark.parametrize("kind", ["one output", "hybrid"])
def test_a_saved_program_runs_in_a_fresh_process(kind: str, tmp_path: Path) -> None:
    case = KINDS[kind]()
    shapes = {0: torch.export.Dim.DYNAMIC}
    program = torch.export.export(case.module, (X,), dynamic_shapes=((shapes,),) if kind == "one output" else (shapes,))
    torch.export.save(program, tmp_path / "program.pt2")
    with torch.no_grad():
        torch.save((LARGER, case.model(LARGER)), tmp_path / "wanted.pt")
    command = [sys.executable, "-c", READ, str(tmp_path / "program.pt2"), str(tmp_path / "wanted.pt")]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hybrid as an AOTInductor package; made once, since that takes a compiler half a minute."""
    folder = tmp_path_factory.mktemp("package")
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
        program = torch.export.export(hybrid().module, (X,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        return Path(torch._inductor.aoti_compile_and_package(program, package_path=str(folder / "model.pt2")))


def test_an_aotinductor_package_runs_in_a_fresh_process(package: Path, tmp_path: Path) -> None:
    with torch.no_grad():
        torch.save((LARGER, hybrid().model(LARGER)), tmp_path / "wanted.pt")
    command = [sys.executable, "-c", READ_PACKAGE, str(package), str(tmp_path / "wanted.pt")]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)


def single_profile(engine: Any) -> bool:
    """True if the engine is set up for one optimization profile: a setting that can be seen."""
    return not engine._auto_select_profiles


def engines_in(package: Any) -> dict[str, Any]:
    engines: dict[str, Any] = package.loader.get_custom_objs()
    return engines


@pytest.mark.skipif(
    not hasattr(torch._C._aoti.AOTIModelPackageLoader, "get_custom_objs"),
    reason="this release of torch does not give the objects of a package (2.11 does not, 2.13 does)",
)
def test_engines_of_a_package_are_configured_profiled_and_moved(package: Path) -> None:
    run = torch._inductor.aoti_load_package(str(package))
    other = torch._inductor.aoti_load_package(str(package))
    assert nacelle.device_of(run) == torch.device("cpu")
    assert nacelle.configure(run, "_torchbind_obj1", optimization_profile=0) is run
    engines = engines_in(run)
    assert [single_profile(engines[f"_torchbind_obj{i}"]) for i in (0, 1)] == [False, True]
    assert not any(single_profile(engine) for engine in engines_in(other).values())

    assert nacelle.to(run, "cpu") is run
    assert [single_profile(engines[f"_torchbind_obj{i}"]) for i in (0, 1)] == [False, True]
    with torch.no_grad():
        wanted = hybrid().model(LARGER)
        # The engines that are found are those that the package calls, after a move too.
        with nacelle.profile(run) as profile:
            torch.testing.assert_close(run(LARGER), wanted)
        assert {phase.engine for phase in profile.phases} == {"_torchbind_obj0", "_torchbind_obj1"}

        holder = torch.nn.Sequential()
        holder.run = run  # type: ignore[assignment]
        nacelle.configure(holder, "run._torchbind_obj0", optimization_profile=0)
        assert all(single_profile(engine) for engine in engines_in(run).values())

    with pytest.raises(nacelle.InputError, match='no engine "first"; there are: _torchbind_obj0, _torchbind_obj1'):
        nacelle.configure(run, "first", optimization_profile=0)
    with pytest.raises(nacelle.DeviceError, match="was compiled for cpu; wanted cuda"):
        nacelle.to(run, "cuda")


def test_where_torch_does_not_give_the_objects_of_a_package(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch 2.11."""
    run = torch._inductor.aoti_load_package(str(package))
    monkeypatch.delattr(torch._C._aoti.AOTIModelPackageLoader, "get_custom_objs", raising=False)
    with pytest.raises(nacelle.InputError, match=r"does not give its engines; wanted torch 2\.13"):
        nacelle.configure(run, max_contexts=1)
    assert nacelle.device_of(run) == torch.device("cpu")


def test_engines_of_an_exported_program_are_configured_profiled_and_moved() -> None:
    program = torch.export.export(hybrid().module, (X,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    assert nacelle.device_of(program) == torch.device("cpu")
    assert nacelle.configure(program, "second.engine", optimization_profile=0) is program
    module: Any = program.module()  # has the same engines
    assert single_profile(module.second.engine)
    assert not single_profile(module.first.engine)
    nacelle.configure(module, "first.engine", optimization_profile=0)
    assert all(single_profile(engine) for engine in program.constants.values())

    assert nacelle.to(program, "cpu") is program
    assert nacelle.to(module, "cpu") is module
    with torch.no_grad():
        for held in (program, module):
            with nacelle.profile(held) as profile:
                torch.testing.assert_close(module(LARGER), hybrid().model(LARGER))
            assert {phase.engine for phase in profile.phases} == {"first.engine", "second.engine"}
    for held in (program, module):
        with pytest.raises(nacelle.DeviceError, match="cannot be moved"):
            nacelle.to(held, "cuda")
    with pytest.raises(nacelle.InputError, match="ExportedProgram holds no engine; wanted a program"):
        nacelle.configure(torch.export.export(torch.nn.ReLU(), (X,)), max_contexts=1)


def test_an_engine_that_a_module_holds_by_itself() -> None:
    module: Any = torch.nn.Sequential(torch.nn.Identity())
    module.net = of(Doubled()).module.engine
    nacelle.configure(module, "net", optimization_profile=0)
    assert single_profile(module.net)


def test_the_profile_bounds_a_dynamic_dimension() -> None:
    program = torch.export.export(of(Doubled()).module, (X,), dynamic_shapes=(({0: torch.export.Dim.DYNAMIC},),))
    bounds = [bound for symbol, bound in program.range_constraints.items() if str(symbol).startswith("s")]
    # torch takes 0 and 1 for special cases, unless a Dim allows them.
    assert [(int(bound.lower), int(bound.upper)) for bound in bounds] == [(2, 8)]


def test_sizes_of_outputs_are_expressions_of_the_sizes_of_inputs() -> None:
    program = torch.export.export(of(Windows()).module, (X,), dynamic_shapes=(({0: torch.export.Dim.DYNAMIC},),))
    (x,) = [node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    outputs = program.graph.output_node().args[0]
    (windows,), (both, three) = (node.meta["val"].shape for node in outputs)
    assert three == 3
    (n,) = x.shape[0].node.expr.free_symbols
    for size in range(2, 9):
        assert windows.node.expr.subs(n, size) == (3 * size + 1) // 2
        assert both.node.expr.subs(n, size) == 2 * size


def test_calls_are_not_compiled_again() -> None:
    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounter()
    run = torch.compile(of(Doubled()).module, backend=counter, dynamic=True, fullgraph=True)
    for x in (X, LARGER, X, LARGER):
        run(x)
    assert counter.frame_count == 1


@pytest.fixture
def module() -> nacelle.EngineModule:
    made = nacelle.compile(TwoOutputs(), [BATCHED], name="net", container="module")
    assert isinstance(made, nacelle.EngineModule)
    return made


def test_what_an_nn_module_does(module: nacelle.EngineModule) -> None:
    assert module.state_dict() == {}
    assert list(module.parameters()) == []
    assert repr(module) == (
        "EngineModule(\n  net on cpu\n  input input_0: float32 [-1, 3]\n"
        "  output output_0: float32 [-1, 3]\n  output output_1: float32 [-1]\n)"
    )
    for same in (module.to("cpu"), module.cpu(), module.half(), module.eval()):
        assert same is module
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    torch.testing.assert_close(torch.load(file, weights_only=False)(X), TwoOutputs()(X))


def test_the_sources_of_a_module(module: nacelle.EngineModule, tmp_path: Path) -> None:
    plan = nacelle.build_engine(Doubled(), [BATCHED])
    (tmp_path / "x.plan").write_bytes(plan)
    program = nacelle.embed(plan, name="net")
    for source in (plan, tmp_path / "x.plan", str(tmp_path / "x.plan"), program, program.net_trt_engine):
        torch.testing.assert_close(nacelle.EngineModule(source)(X), X * 2)
    with pytest.raises(nacelle.InputError, match="found int; wanted a plan"):
        nacelle.EngineModule(3)  # type: ignore[arg-type]
    with pytest.raises(nacelle.InputError, match="returns is 'dict'"):
        nacelle.EngineModule(plan, returns="dict")


@pytest.mark.parametrize(("returns", "wanted"), [("list", list), ("tuple", tuple), ("tensor", torch.Tensor)])
def test_what_a_call_returns(returns: str, wanted: type) -> None:
    module = nacelle.EngineModule(nacelle.build_engine(Doubled(), [BATCHED]), returns=returns)
    assert isinstance(module(X), wanted)


def test_several_outputs_are_no_tensor(module: nacelle.EngineModule) -> None:
    with pytest.raises(nacelle.InputError, match="has 2 outputs; wanted one"):
        nacelle.EngineModule(module.engine, returns="tensor")(X)


def test_a_hybrid_needs_no_no_grad_and_shares_its_parameters() -> None:
    case = hybrid()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = case.module(X)
    assert not result.requires_grad
    parameter = case.module.get_parameter("scale")
    assert parameter.data_ptr() == case.model.get_parameter("scale").data_ptr()
    assert case.model.get_parameter("scale").requires_grad


class Same(torch.nn.Module):
    """Returns a view of its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(-1, 3)


class Around(torch.nn.Module):
    """Writes to the result of a part: in the model also to what the part got."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Same()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 1
        y = self.part(x)
        y.mul_(2)
        return x + y


class AroundWithoutWrites(Around):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 1
        return x + self.part(x) * 2


class AroundInPython(Around):
    """The same, which is no TorchScript."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(*[x])


def test_writes_around_a_part_that_returns_its_input_are_refused() -> None:
    parts = {"part": [BATCHED]}
    with pytest.raises(nacelle.InputError, match=r"'part' returns its input or a view of it.*in place \(mul_"):
        nacelle.compile(Around(), parts, container="module")
    harmless = nacelle.compile(AroundWithoutWrites(), parts, container="module")
    torch.testing.assert_close(harmless(X), AroundWithoutWrites()(X))
    with pytest.raises(
        nacelle.InputError, match=r"'part' returns its input.*cannot be told.*return a clone from 'part'"
    ):
        nacelle.compile(AroundInPython(), parts, container="module")


class Plain(torch.Tensor):
    """A subclass that changes nothing."""


class Seen(TorchFunctionMode):
    """Counts the calls of the operator."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += "execute_engine" in str(func)
        return func(*args, **(kwargs or {}))


def test_a_call_is_the_same_as_the_operators(module: nacelle.EngineModule) -> None:
    """The module takes a shorter way to the operator where Python has no say in the call."""
    operator = torch.ops.tensorrt.execute_engine
    for x in (X, X.as_subclass(Plain), torch.nn.Parameter(X), X.clone().requires_grad_()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, wanted = module(x), operator([x], module.engine)
        for one, other in zip(found, wanted, strict=True):
            assert type(one) is type(other) and one.requires_grad == other.requires_grad
            torch.testing.assert_close(one, other)
    with Seen() as seen:
        module(X)
    assert seen.count > 0
    with torch.profiler.profile() as profile:
        module(X)
    assert "tensorrt::execute_engine" in [event.name for event in profile.events() or []]


def test_errors_of_a_call_have_their_classes(module: nacelle.EngineModule) -> None:
    with pytest.raises(nacelle.InputError, match="has dtype float64; wanted float32"):
        module(X.double())
    with pytest.raises(nacelle.InputError, match="got 2 inputs; wanted 1"):
        module(X, X)
    for wrong in (None, 1.0, [X], "x"):
        with pytest.raises((RuntimeError, TypeError)):
            module(wrong)
    torch.testing.assert_close(module(X)[0], X + 1)


def test_a_warning_of_a_call_is_pythons() -> None:
    module = nacelle.compile(Doubled(), [BATCHED], container="module")
    with pytest.warns(UserWarning, match="requires grad, and an engine has no gradient"):
        module(X.clone().requires_grad_())


def test_settings_reach_the_engines_of_a_module(module: nacelle.EngineModule) -> None:
    holder = torch.nn.Sequential(module)
    nacelle.configure(holder, convert_inputs=True)
    torch.testing.assert_close(holder(X.double()), TwoOutputs()(X))
    nacelle.to(holder, "cpu")
    torch.testing.assert_close(holder(X), TwoOutputs()(X))


def test_an_unknown_container_is_refused() -> None:
    with pytest.raises(nacelle.InputError, match="there is no container 'onnx'"):
        nacelle.compile(Doubled(), [BATCHED], container="onnx")  # type: ignore[call-overload]


def test_an_engine_that_is_set_up_late_is_compiled_once() -> None:
    program = nacelle.compile(torch.nn.ReLU(), [nacelle.Input(min=(1, 3), opt=(2, 3), max=(8, 3))])
    nacelle.read(program).convert(9)  # takes the engine down
    module = nacelle.EngineModule(program)
    engine: Any = module.engine
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    identity = engine.__obj_flatten__()
    call = torch.compile(module, backend=backend, fullgraph=True)
    with torch.no_grad():
        for _ in range(3):
            call(torch.ones(2, 3))
    assert len(graphs) == 1
    assert engine.__obj_flatten__() == identity
