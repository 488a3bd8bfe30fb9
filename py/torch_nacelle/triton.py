"""Programs behind Triton, NVIDIA's inference server.

    from torch_nacelle.triton import write_repository

    write_repository("detector.ts", "models")           # then: tritonserver --model-repository=models

``write_repository`` makes a model of a program; ``nacelle triton`` does the same on the command line. ``Model`` is what
the model's ``model.py`` calls in Triton's Python backend. Nothing of Triton is needed to import this module.
"""

from torch_nacelle._serving.triton_model import Model
from torch_nacelle._serving.triton_repository import write_repository

__all__ = ["Model", "write_repository"]
