"""Paths of the example's data: the published models, which the build takes out of a pinned wheel."""

from pathlib import Path

# Bazel puts the files of an external repository beside those of this one.
_FILES = Path(__file__).parents[2].parent / "example_data" / "files"

# Folder of both models. There only in programs and tests that Bazel starts.
MODELS = _FILES / "rapidocr" / "models"
DETECTION = "PP-OCRv6_det_small.onnx"
RECOGNITION = "PP-OCRv6_rec_small.onnx"
