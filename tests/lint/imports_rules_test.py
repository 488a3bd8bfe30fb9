"""imports.py finds what it is there to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lint import imports
from tests.lint.made_tree import tree


def test_circles_are_found_in_functions_and_type_checking_blocks(tmp_path: Path) -> None:
    files = {
        "py/torch_nacelle/__init__.py": "from torch_nacelle._build.a import A\n",
        "py/torch_nacelle/_build/__init__.py": "",
        "py/torch_nacelle/_build/a.py": "from torch_nacelle import _C\ndef f():\n  import torch_nacelle._build.b\n",
        "py/torch_nacelle/_build/b.py": "import torch_nacelle._build.c\n",
        "py/torch_nacelle/_build/c.py": "if TYPE_CHECKING:\n    from torch_nacelle._build.a import A\n",
        "py/torch_nacelle/_build/d.py": "from torch_nacelle._build.a import A\n",
        "py/torch_nacelle/_C.pyi": "import torch\n",
        "py/nacelle_cli/e.py": "from nacelle_cli import e\n",
    }
    assert imports.circles(tree(tmp_path, files)) == [
        "nacelle_cli.e -> nacelle_cli.e",
        "torch_nacelle._build.a -> torch_nacelle._build.b -> torch_nacelle._build.c -> torch_nacelle._build.a",
    ]


def test_a_package_that_a_module_imports_names_from_counts(tmp_path: Path) -> None:
    files = {
        "py/torch_nacelle/__init__.py": "from torch_nacelle._build.a import A\n",
        "py/torch_nacelle/_build/a.py": "from torch_nacelle import A\n",
    }
    assert imports.circles(tree(tmp_path, files)) == ["torch_nacelle -> torch_nacelle._build.a -> torch_nacelle"]


def test_parts_that_others_must_not_know(tmp_path: Path) -> None:
    files = {
        "py/nacelle_cli/reading/a.py": "import torchvision\nfrom nacelle_cli.reading import b\nimport torch.jit\n",
        "py/nacelle_cli/reading/deep/b.py": "def f():\n    from nacelle_cli import files\n",
        "py/onnx_to_torchscript/c.py": "import onnx, torch\nfrom torch_nacelle.errors import InputError\n",
        "py/torch_nacelle/_runtime/d.py": "from nacelle_cli import app, files\nfrom torch_nacelle import _C\n",
        "py/torch_nacelle/_models/e.py": "import torch_nacelle._runtime.d\nfrom torch_nacelle._build import f\n",
        "py/torch_nacelle/_serving/f.py": "import ray.data\nimport rays\n",
        "py/torch_nacelle/__init__.py": "from torch_nacelle.ray import BatchProgram\n",
        "py/torch_nacelle/ray.py": "import ray\nfrom torch_nacelle._serving import f\n",
    }
    assert imports.forbidden(tree(tmp_path, files)) == [
        "py/nacelle_cli/reading/a.py:3: py/nacelle_cli/reading must not import torch.jit",
        "py/nacelle_cli/reading/deep/b.py:2: py/nacelle_cli/reading must not import nacelle_cli.files",
        "py/onnx_to_torchscript/c.py:2: py/onnx_to_torchscript must not import torch_nacelle.errors.InputError",
        "py/torch_nacelle/__init__.py:1: py/torch_nacelle/__init__.py must not import torch_nacelle.ray.BatchProgram",
        "py/torch_nacelle/_serving/f.py:1: py/torch_nacelle/_ must not import ray.data",
        "py/torch_nacelle/_runtime/d.py:1: py/torch_nacelle/_ must not import nacelle_cli.app",
        "py/torch_nacelle/_models/e.py:2: _models must not import torch_nacelle._build.f",
    ]


def test_private_names(tmp_path: Path) -> None:
    files = {
        "bench/a.py": "import torch_nacelle as nacelle\nnacelle._C.load()\nnacelle.__version__\n",
        "examples/b.py": "from torch_nacelle import _C, Input\n",
        "py/nacelle_cli/c.py": "def f():\n    from torch_nacelle._build.onnx import export\n",
        "tests/py/d_test.py": 'CODE = "import torch_nacelle._C"\nOTHER = "from torch_nacelle import _C"\n',
        "tests/py/_models/e_test.py": (
            "from torch_nacelle import _C\nfrom torch_nacelle._runtime import f\nfrom torch_nacelle._build import g\n"
        ),
    }
    assert imports.private(tree(tmp_path, files)) == [
        "bench/a.py:2: torch_nacelle._C is private; use a public name",
        "examples/b.py:1: torch_nacelle._C is private; use a public name",
        "py/nacelle_cli/c.py:2: torch_nacelle._build is private; use a public name",
        "tests/py/_models/e_test.py:3: torch_nacelle._build is private; use a public name",
        "tests/py/d_test.py:1: torch_nacelle._C is private; use a public name",
        "tests/py/d_test.py:2: torch_nacelle._C is private; use a public name",
    ]


def test_relative_imports_are_refused(tmp_path: Path) -> None:
    root = tree(tmp_path, {"py/nacelle_cli/a.py": "from . import b\n"})
    with pytest.raises(ValueError, match="the import is relative"):
        imports.circles(root)
