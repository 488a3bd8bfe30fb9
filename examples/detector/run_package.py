"""Loads an AOTInductor package and runs it once: all that a user of the file needs in Python.

    python run_package.py PACKAGE INPUT OUTPUTS

INPUT is a tensor and OUTPUTS, which is written, a tuple of tensors, both by torch.save. Nothing is imported but torch
and torch_nacelle.
"""

import sys

import torch

import torch_nacelle as nacelle


def main(package_path: str, input_path: str, outputs_path: str) -> None:
    """Loads the package, runs it and saves its result."""
    package = nacelle.load(package_path)
    image = torch.load(input_path, weights_only=True).to(nacelle.device_of(package))
    with torch.inference_mode():
        outputs = package(image)
    torch.save(tuple(output.cpu() for output in outputs), outputs_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
