"""The pinned packages as bytecode, so that no process compiles what it imports."""

import importlib
import sys
from pathlib import Path

import torch

SITE = Path(torch.__file__).parent.parent


def test_what_torch_imports_is_compiled() -> None:
    importlib.import_module("torch._dynamo")  # imports much of torch, and other packages
    specs = [getattr(module, "__spec__", None) for module in list(sys.modules.values())]
    compiled = {spec.origin: spec.cached for spec in specs if spec and spec.origin and spec.cached}
    ours = {source: cached for source, cached in compiled.items() if SITE in Path(source).parents}
    assert len(ours) > 1000
    assert [source for source, cached in ours.items() if not Path(cached).exists()] == []
