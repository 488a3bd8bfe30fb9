"""Tensors as the command line writes them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import typer

import torch_nacelle as nacelle
from nacelle_cli.arguments.tensors import parse_described, parse_given, tensors_of
from tests.py.networks import TwoHeads, seeded
from torch_nacelle import arguments


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("float32[1,3,8,8]", nacelle.Input(shape=(1, 3, 8, 8))),
        ("[1,3,8,8]", nacelle.Input(shape=(1, 3, 8, 8))),
        ("x=int64[ 1, 128 ]", nacelle.Input(shape=(1, 128), dtype=torch.int64, name="x")),
        ("float16[]", nacelle.Input(shape=(), dtype=torch.float16)),
        (
            "images=float32[1..16:8,3,224,224]",
            nacelle.Input(min=(1, 3, 224, 224), opt=(8, 3, 224, 224), max=(16, 3, 224, 224), name="images"),
        ),
        ("input.1=[1..4,2]", nacelle.Input(min=(1, 2), max=(4, 2), name="input.1")),
        (
            "x=[1,8..128]+[8,8..512:64]",
            nacelle.Input(min=[(1, 8), (8, 8)], opt=[(1, 128), (8, 64)], max=[(1, 128), (8, 512)], name="x"),
        ),
        (
            "target=int64[2]=[1..12:3,-1..12]",
            nacelle.Input(
                shape=(2,),
                dtype=torch.int64,
                name="target",
                min_values=(1, -1),
                opt_values=(3, 12),
                max_values=(12, 12),
            ),
        ),
        (
            "int32[]=[1..4:2]+[8]",
            nacelle.Input(
                shape=(), dtype=torch.int32, min_values=[(1,), (8,)], opt_values=[(2,), (8,)], max_values=[(4,), (8,)]
            ),
        ),
    ],
)
def test_what_an_engine_takes(text: str, wanted: nacelle.Input) -> None:
    assert parse_described(text).to_input() == wanted


@pytest.mark.parametrize(
    ("text", "marked", "words"),
    [
        ("images=float32[1..16:20,3]", "1..16:20", "1, 20 and 16 must ascend"),
        ("float32[16..1]", "16..1", "must ascend"),
        ("float32[1,-1,3]", "-1", "wanted a size (3), a range (1..16)"),
        ("float32[1,,3]", ",", "wanted a size"),
        ("float32[1..:8]", "1..:8", "wanted a size"),
        ("float32(1,3)", "(", "wanted a shape in square brackets"),
        ("x=", "", "wanted a shape in square brackets"),
        ("float32[1,3", "[1,3", "the bracket is not closed"),
        ("float32[1,3]x", "x", "wanted the end, or +[…]"),
        ("float32[1,3]+", "", "wanted a shape in square brackets"),
        ("x=[1,3]+[1]", "[1,3]+[1]", "the same number of dimensions"),
        ("x=int64[2]=", "", "wanted values in square brackets"),
        ("x=int64[2]=3,4", "3", "wanted values in square brackets"),
        ("x=int64[2]=[3,a]", "a", "wanted a whole number (3), a range"),
        ("x=int64[2]=[4..1,1]", "4..1", "4, 1 and 1 must ascend"),
        ("x=int64[2]=[1,3]+[1]", "int64[2]=[1,3]+[1]", "the same number"),
        ("x=int64[2]=[1,3]y", "y", "or =[…] for values"),
    ],
)
def test_a_mistake_is_marked(text: str, marked: str, words: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        parse_described(text)
    what, _, shown, mark = str(caught.value).split("\n")
    assert words in what
    assert shown == text
    assert text[mark.index("^") : len(mark)] == marked


def test_a_dtype_that_there_is_not() -> None:
    with pytest.raises(typer.BadParameter, match="there is no dtype 'floaty'; there are float32"):
        parse_described("floaty[1]").to_input()


@pytest.fixture(scope="module")
def program() -> torch.jit.ScriptModule:
    image = nacelle.Input(min=(1, 3, 8, 8), opt=(4, 3, 8, 8), max=(8, 3, 8, 8))
    return nacelle.compile(seeded(TwoHeads), [image])


def tensor_of(text: str, program: torch.jit.ScriptModule, seed: int = 0) -> torch.Tensor:
    (tensor,) = tensors_of([parse_given(text)] if text else [], program, seed).values()
    return tensor


@pytest.mark.parametrize(
    ("text", "dtype", "shape"),
    [
        ("", torch.float32, (4, 3, 8, 8)),
        ("random", torch.float32, (4, 3, 8, 8)),
        ("input_0=zeros", torch.float32, (4, 3, 8, 8)),
        ("input_0=random:float16[2,3]", torch.float16, (2, 3)),
        ("ones:[2]", torch.float32, (2,)),
        ("random:int64[5]", torch.int64, (5,)),
    ],
)
def test_made_up_tensors(
    program: torch.jit.ScriptModule, text: str, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    tensor = tensor_of(text, program)
    assert (tensor.dtype, tuple(tensor.shape)) == (dtype, shape)
    assert torch.equal(tensor, tensor_of(text, program))
    if "zeros" not in text and "ones" not in text:
        assert not torch.equal(tensor, tensor_of(text, program, seed=1))


def test_files(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "one.npz", a=array)
    np.savez(tmp_path / "two.npz", a=array, b=np.float64(2.5))
    for text in ("a.npy", "one.npz", "two.npz:a"):
        assert tensor_of(f"{tmp_path}/{text}", program).tolist() == array.tolist()
    scalar = tensor_of(f"input_0={tmp_path}/two.npz:b", program)
    assert (scalar.item(), scalar.dtype, scalar.ndim) == (2.5, torch.float64, 0)


def test_an_engines_name_of_an_input_stands_for_the_argument() -> None:
    image, other = (nacelle.Input(shape=(1, 3, 8, 8), name=name) for name in ("image", "other"))
    program = nacelle.compile(Both(), [image, other], backend="reference")
    assert [argument.name for argument in arguments(program)] == ["input_0", "input_1"]
    found = tensors_of([parse_given("other=zeros"), parse_given("image=ones")], program, 0)
    assert [(name, float(tensor.mean())) for name, tensor in found.items()] == [("input_0", 1), ("input_1", 0)]
    with pytest.raises(typer.BadParameter, match="an argument is given twice"):
        tensors_of([parse_given("other=zeros"), parse_given("input_1=ones")], program, 0)


class Both(torch.nn.Module):
    def forward(self, image: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return image - other


class Unpickled:
    """Says so."""

    seen = False

    def __setstate__(self, state: object) -> None:
        Unpickled.seen = True


def test_objects_in_files_are_not_unpickled(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    held = Unpickled()
    held.__dict__["a"] = 1
    objects = np.empty(1, dtype=object)
    objects[0] = held
    np.save(tmp_path / "objects.npy", objects)
    np.savez(tmp_path / "objects.npz", objects=objects)
    for name in ("objects.npy", "objects.npz"):
        with pytest.raises(Exception, match=rf"{name} cannot be read as an array of numbers: .*allow_pickle"):
            tensor_of(f"{tmp_path}/{name}", program)
    assert not Unpickled.seen


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["x=data.csv"], "wanted FILE.npy, FILE.npz:KEY, or one of random, zeros, ones"),
        (["random:float32[1..2]"], "a tensor has one shape, without ranges"),
        (["random:"], "wanted a shape in square brackets"),
        (["y=random"], "forward has no argument y; it has: input_0"),
        (["random", "random"], "forward takes 1 arguments (input_0), found 2 inputs"),
        (["input_0=random", "input_0=zeros"], "an argument is given twice: input_0, input_0"),
        (["missing.npy"], "there is no file missing.npy"),
    ],
)
def test_wrong_inputs(program: torch.jit.ScriptModule, texts: list[str], words: str) -> None:
    with pytest.raises(Exception) as caught:
        tensors_of([parse_given(text) for text in texts], program, 0)
    assert words in str(caught.value)


def test_a_file_of_several_arrays(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.ones(1), b=np.ones(2))
    for text, found in (("two.npz", "no name was given"), ("two.npz:c", "found 'c'")):
        with pytest.raises(typer.BadParameter, match=rf"two\.npz holds a, b: name one, as FILE\.npz:KEY; {found}"):
            tensor_of(f"{tmp_path}/{text}", program)


def test_what_no_engine_tells() -> None:
    program = torch.jit.script(seeded(TwoHeads))
    with pytest.raises(
        Exception, match=r"dtype and shape of argument x .* goes to no engine directly; give them, .*--input"
    ):
        tensors_of([], program, 0)
    assert tensors_of([parse_given("x=zeros:[1,3,4,4]")], program, 0)["x"].shape == (1, 3, 4, 4)
