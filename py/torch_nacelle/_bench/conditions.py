"""The conditions of a measurement: the machine, its load, and the releases."""

import os
from pathlib import Path

import torch

from torch_nacelle._runtime.build_info import VERSION


def cpu_model() -> str:
    """The processor's name, as Linux tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def conditions() -> str:
    """Returns the machine, its load, and the releases. Figures of a measurement mean nothing without them."""
    load = " ".join(Path("/proc/loadavg").read_text(encoding="utf-8").split()[:3])
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{cpu_model()}, {os.cpu_count()} CPUs{gpu}, load {load}, {torch.get_num_threads()} threads of torch, "
        f"torch {torch.__version__}, nacelle {VERSION}"
    )
