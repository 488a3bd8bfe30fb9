"""Errors of a call: the same class and the same words from eager Python and from TorchScript."""

import copy
import functools
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import nacelle_core
import torch_nacelle as nacelle
from nacelle_cli.reading.errors import ReadingError
from tests.py.networks import TwoHeads, seeded
from torch_nacelle._runtime.messages import first_lines


@pytest.fixture(scope="module")
def program() -> torch.jit.ScriptModule:
    images = nacelle.Input(min=(1, 3, 8, 8), max=(4, 3, 8, 8))
    return nacelle.compile(seeded(TwoHeads), [images], name="net")


def raised(call: object, *arguments: object) -> nacelle.Error:
    with pytest.raises(nacelle.Error) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.ones(1, 3, 8, 8, dtype=torch.float64), ["float64", "wanted float32", ".to(torch.float32)"]),
        (torch.ones(1, 3, 8), ["3 dimensions", "wanted 4"]),
        (torch.ones(9, 3, 8, 8), ["dimension 0 is 9; wanted 1 to 4"]),
        (torch.ones(0, 3, 8, 8), ["dimension 0 is 0; wanted 1 to 4"]),
        (torch.ones(1, 3, 8, 8).to_sparse(), ["layout Sparse", ".to_dense()"]),
    ],
)
def test_inputs_that_do_not_fit(program: torch.jit.ScriptModule, value: torch.Tensor, words: list[str]) -> None:
    scripted = raised(program, value)
    eager = raised(torch.ops.tensorrt.execute_engine, [value], program.net_trt_engine)
    assert type(scripted) is type(eager) is nacelle.InputError
    assert str(scripted) == str(eager)
    assert 'input "input_0" (number 0) of engine "net"' in str(eager)
    for word in words:
        assert word in str(eager)
    assert "TorchScript interpreter" in scripted.torchscript_trace
    assert eager.torchscript_trace == ""


@pytest.mark.parametrize("inputs", [[], [torch.ones(1)] * 2])
def test_a_wrong_number_of_inputs(program: torch.jit.ScriptModule, inputs: Sequence[torch.Tensor]) -> None:
    error = raised(torch.ops.tensorrt.execute_engine, inputs, program.net_trt_engine)
    assert isinstance(error, nacelle.InputError)
    assert f'engine "net" got {len(inputs)} inputs; wanted 1: input_0: float32' in str(error)


def test_a_message_ends_with_its_place_in_the_documentation(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    """Once, whether it comes from Python, from a function in C++, from an operator or through TorchScript."""
    not_a_program = tmp_path / "text.ts"
    not_a_program.write_text("text", encoding="utf-8")
    found = [
        raised(nacelle.Input, [-2]),
        raised(nacelle.read, not_a_program),
        raised(functools.partial(nacelle.embed, name="no identifier"), b"plan"),
        raised(torch.ops.tensorrt.execute_engine, [], program.net_trt_engine),
        raised(program, torch.ones(1)),
    ]
    for error in found:
        assert type(error) is nacelle.InputError
        assert str(error) == f"{error.reason}\nSee docs/troubleshooting.md#inputerror"
        assert "docs/troubleshooting.md" not in error.reason
    assert str(raised(nacelle.embed, b"plan")).endswith("\nSee docs/troubleshooting.md#planerror")


def test_errors_are_copied_and_sent_between_processes() -> None:
    error = nacelle.PlanError("what is wrong")
    for copied in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(copied) is nacelle.PlanError
        assert str(copied) == str(error) == "what is wrong\nSee docs/troubleshooting.md#planerror"


def test_a_message_that_quotes_another_has_its_own_place_alone() -> None:
    quoted = nacelle.PlanError("a plan")
    error = nacelle.InputError(f"it fails: {first_lines(quoted)}; give another")
    assert str(error) == "it fails: a plan; give another\nSee docs/troubleshooting.md#inputerror"


def test_errors_of_users_have_the_place_of_ours() -> None:
    class Mine(nacelle.PlanError):
        pass

    assert str(Mine("what is wrong")).endswith("#planerror")


def test_errors_are_what_users_of_torch_catch(program: torch.jit.ScriptModule) -> None:
    with pytest.raises(RuntimeError):
        program(torch.ones(1))
    with pytest.raises(ValueError, match="dimensions"):
        program(torch.ones(1))


def test_other_errors_of_torch_keep_their_classes() -> None:
    @torch.jit.script
    def fails(x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0):
            raise ValueError("mine")
        return x

    with pytest.raises(torch.jit.Error, match="mine"):
        fails(torch.ones(1))
    with pytest.raises(IndexError):
        torch.ones(1)[3]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([], ["version"]),
        (["2", "a", "b", "c"], ["2", "3 to 10"]),
        (["11", "a", "b", "c"], ["11", "3 to 10"]),
        (["3", "a", "0%0%0%0%cpu"], ["3", "4"]),
        (["3", "a", "no device", "plan"], ["device", "no device"]),
        (["5", "a", "0%0%0%0%cpu", "!!!!", "", "", "0"], ["engine", "!"]),
        (["5", "a", "0%0%0%0%cpu", "AAAA", "", "", "yes"], ["hardware_compatible", "yes"]),
    ],
)
def test_damaged_records_name_the_field(record: list[str], words: list[str]) -> None:
    error = raised(torch.classes.tensorrt.Engine, record)
    assert isinstance(error, nacelle.RecordError)
    for word in words:
        assert word in str(error)


def test_an_engine_of_an_unknown_plan_loads_and_says_why_it_cannot_run() -> None:
    engine = torch.classes.tensorrt.Engine(["3", "odd", "0%0%0%0%cpu", "no plan at all"])
    assert engine.name() == "odd"
    error = raised(torch.ops.tensorrt.execute_engine, [torch.ones(1)], engine)
    assert isinstance(error, nacelle.PlanError)
    assert error.reason == engine.why_not_ready()
    assert 'engine "odd" cannot run here' in str(error)


def test_errors_are_those_of_the_extension_without_torch_too(tmp_path: Path) -> None:
    for name in ("Error", "RecordError", "PlanError", "InputError"):
        assert issubclass(getattr(nacelle, name), getattr(nacelle_core, name))
    (tmp_path / "text.ts").write_text("no program")
    with pytest.raises(nacelle_core.InputError) as caught:
        nacelle.read(tmp_path / "text.ts")
    assert type(caught.value) is nacelle.InputError
    assert issubclass(ReadingError, nacelle_core.Error)
