"""Inputs that are no plain memory: wrappers, layouts, lazy bits and storage that is gone."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

import torch_nacelle as nacelle

SHAPE = (2, 3)
X = torch.arange(6, dtype=torch.float32).view(SHAPE) + 1


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


@pytest.fixture(scope="module")
def program() -> torch.jit.ScriptModule:
    return nacelle.compile(Doubled(), [nacelle.Input(min=(1, 3), opt=SHAPE, max=(8, 3))], name="net")


class Plain(torch.Tensor):
    """A subclass that changes nothing."""


class Named(torch.Tensor):
    """A subclass that sees functions, not operators."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]


class Wrapper(torch.Tensor):
    """A tensor around another one, without memory, that hands every operator on as it is."""

    content: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "Wrapper":
        made = torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=inner.device)
        made.content = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def,override]
        with torch._C._DisableTorchDispatch():
            return func(*args, **(kwargs or {}))


class Unwrapping(Wrapper):
    """The same, which hands on what is inside."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def,override]
        unwrapped = tree_map(lambda value: value.content if isinstance(value, Unwrapping) else value, args)
        return func(*unwrapped, **(kwargs or {}))


class OwnMemory(torch.Tensor):
    """A subclass with memory whose operators compute something else than the memory says."""

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def,override]
        with torch._C._DisableTorchDispatch():
            return func(*args, **(kwargs or {}))


def functional() -> torch.Tensor:
    return torch._to_functional_tensor(X)


def fake() -> torch.Tensor:
    with FakeTensorMode() as mode:
        return mode.from_tensor(X)


def given_back() -> torch.Tensor:
    gone = X.clone()
    gone.untyped_storage().resize_(0)
    return gone


def given_back_of_another_dtype() -> torch.Tensor:
    gone = X.double()
    gone.untyped_storage().resize_(0)
    return gone


def view_of_given_back() -> torch.Tensor:
    base = torch.zeros(4, 3)
    view = base[2:]
    base.untyped_storage().resize_(0)
    return view


def cut() -> torch.Tensor:
    short = X.clone()
    short.untyped_storage().resize_(8)
    return short


def cut_and_strided() -> torch.Tensor:
    short = torch.zeros(3, 2).t()
    short.untyped_storage().resize_(8)
    return short


def quantized() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)


def nested() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([X, X])


def csr() -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return X.to_sparse_csr()


REFUSED: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "meta": (lambda: X.to("meta"), "meta device"),
    "fake": (fake, "subclass of torch.Tensor that handles operators itself"),
    "functional": (functional, "functional tensor"),
    "wrapper": (lambda: Wrapper(X), "subclass of torch.Tensor that handles operators itself"),
    "unwrapping": (lambda: Unwrapping(X), "subclass of torch.Tensor that handles operators itself"),
    "own_memory": (lambda: X.as_subclass(OwnMemory), "subclass of torch.Tensor that handles operators itself"),
    "sparse": (lambda: X.to_sparse(), r"layout Sparse.*to_dense"),
    "csr": (csr, r"layout SparseCsr.*to_dense"),
    "quantized": (quantized, "quantized.*dequantize"),
    "nested": (nested, "nested tensor"),
    "given_back": (given_back, r"storage holds 0 bytes"),
    "view_of_given_back": (view_of_given_back, r"storage holds 0 bytes"),
    "given_back_of_another_dtype": (given_back_of_another_dtype, r"storage holds 0 bytes"),
    "cut": (cut, r"storage holds 8 bytes"),
    "cut_and_strided": (cut_and_strided, r"storage holds 8 bytes"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("settings", [{}, {"move_inputs": True, "convert_inputs": True}])
def test_a_tensor_without_memory_of_its_own_is_refused(kind: str, settings: dict[str, bool]) -> None:
    program = nacelle.compile(Doubled(), [nacelle.Input(min=(1, 3), opt=SHAPE, max=(8, 3))], name="net")
    if settings:
        nacelle.configure(program, **settings)  # type: ignore[arg-type]
    make, words = REFUSED[kind]
    tensor = make()
    with pytest.raises(nacelle.InputError, match=rf'input "input_0" \(number 0\) of engine "net" .*({words})'):
        program(tensor)
    torch.testing.assert_close(program(X), X * 2)  # the engine works on


def test_mkldnn_tensors_are_refused(program: torch.jit.ScriptModule) -> None:
    if not torch.backends.mkldnn.is_available():
        return
    with pytest.raises(nacelle.InputError, match=r'input "input_0".*layout Mkldnn.*to_dense'):
        program(X.to_mkldnn())


ACCEPTED: dict[str, Callable[[], torch.Tensor]] = {
    "parameter": lambda: torch.nn.Parameter(X.clone()),
    "buffer": lambda: torch.nn.Buffer(X.clone()),
    "requires_grad": lambda: X.clone().requires_grad_(),
    "of_a_graph": lambda: X.clone().requires_grad_() * 1,
    "subclass": lambda: X.as_subclass(Plain),
    "function_subclass": lambda: X.as_subclass(Named),
    "negated": lambda: torch._neg_view(-X),
    "strided": lambda: X.t().contiguous().t(),
    "expanded": lambda: torch.ones(1, 3).expand(SHAPE),
    "slice": lambda: torch.zeros(5, 3)[1:3],
    "lazy_zero": lambda: torch._efficientzerotensor(SHAPE),
    "lazy_clone": lambda: torch._lazy_clone(X),
    "imaginary_part": lambda: torch.complex(X, -X).conj().imag,
    "no_elements_of_a_slice": lambda: torch.zeros(5, 3)[2:3],
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_a_tensor_with_memory_is_read_as_torch_reads_it(kind: str, program: torch.jit.ScriptModule) -> None:
    tensor = ACCEPTED[kind]()
    expected = tensor.detach().as_subclass(torch.Tensor) * 2
    torch.testing.assert_close(program(tensor).as_subclass(torch.Tensor), expected)


@pytest.mark.parametrize("settings", [{}, {"convert_inputs": True}])
def test_a_complex_tensor_is_refused_for_its_dtype(settings: dict[str, bool]) -> None:
    program = nacelle.compile(Doubled(), [nacelle.Input(min=(1, 3), opt=SHAPE, max=(8, 3))], name="net")
    nacelle.configure(program, **settings)  # type: ignore[arg-type]
    for tensor in (torch.complex(X, X), torch.complex(X, X).conj()):
        with pytest.raises(nacelle.InputError, match=r"has dtype ComplexFloat; wanted float32"):
            program(tensor)


def test_inference_tensors(program: torch.jit.ScriptModule) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(program(X + 1), (X + 1) * 2)


def test_in_fake_tensor_mode(program: torch.jit.ScriptModule) -> None:
    with FakeTensorMode() as mode:
        fake_input = mode.from_tensor(X)
        with pytest.raises(nacelle.InputError, match="handles operators itself"):
            program(fake_input)
    torch.testing.assert_close(program(X), X * 2)


def test_under_vmap_and_grad(program: torch.jit.ScriptModule) -> None:
    # torch itself refuses an operator that has no batching rule.
    with pytest.raises((RuntimeError, nacelle.InputError), match=r"Batching rule not implemented|batch of torch\.vmap"):
        torch.vmap(lambda x: program(x))(torch.stack([X, X]))
    with pytest.raises(nacelle.InputError, match=r"torch\.func"):
        torch.func.grad(lambda x: program(x).sum())(X)
    # torch takes its wrappers off before it calls an operator that it knows nothing of.
    torch.testing.assert_close(torch.func.functionalize(lambda x: program(x))(X), X * 2)


class Holder(torch.nn.Module):
    """A module around a program."""

    def __init__(self, program: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.program = program

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.program(x) + 1


class Caller(torch.nn.Module):
    """A module that calls an engine itself."""

    def __init__(self, engine: torch.ScriptObject) -> None:
        super().__init__()
        self.engine = engine

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.tensorrt.execute_engine([x], self.engine)[0]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", ["program", "engine"])
def test_exporting_ends_in_an_error_and_not_in_a_crash(
    kind: str, strict: bool, program: torch.jit.ScriptModule
) -> None:
    module = Holder(program) if kind == "program" else Caller(program.net_trt_engine)
    # An error of torch's, from before the engine is called, or the engine's own.
    with pytest.raises((RuntimeError, AttributeError, nacelle.Error)):
        torch.export.export(module, (X,), strict=strict)
    torch.testing.assert_close(program(X), X * 2)


class Seen(TorchDispatchMode):
    """Hands on every operator."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        return func(*args, **(kwargs or {}))


def test_a_mode_that_hands_on_plain_tensors_changes_nothing(program: torch.jit.ScriptModule) -> None:
    with Seen():  # type: ignore[no-untyped-call]
        result = program(X)
    torch.testing.assert_close(result, X * 2)
