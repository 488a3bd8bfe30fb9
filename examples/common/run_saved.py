"""Loads a saved program and runs it once: all that a user of the file needs.

    python run_saved.py PROGRAM INPUTS RESULT [DEVICE]

INPUTS is a list of tensors and RESULT, which is written, a dict (see `fresh_process.FreshRun`), both by torch.save.
Nothing is imported but torch and torch_nacelle, which makes the engines known to torch: the file is the whole program.
"""

import sys
import time

import torch

import torch_nacelle  # noqa: F401


def main(program_path: str, inputs_path: str, result_path: str, device: str = "cpu") -> None:
    """Loads the program, runs it and saves its result."""
    inputs = torch.load(inputs_path, weights_only=True, map_location=device)
    start = time.perf_counter()
    program = torch.jit.load(program_path, map_location=device)
    loaded = time.perf_counter()
    with torch.inference_mode():
        outputs = program(*inputs)
    if isinstance(outputs, torch.Tensor):
        outputs = (outputs,)
    result = {
        "outputs": [output.cpu() for output in outputs],
        "graph": str(program.graph),
        "load_seconds": loaded - start,
        "run_seconds": time.perf_counter() - loaded,
        "modules": sorted(sys.modules),
    }
    torch.save(result, result_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
