"""Paths of the example's data: a published model and a recording, which the build takes out of two pinned wheels."""

from pathlib import Path

# Bazel puts the files of an external repository beside those of this one.
_FILES = Path(__file__).parents[2].parent / "example_data" / "files"

# There only in programs and tests that Bazel starts, as are the others.
MODEL = _FILES / "silero_vad" / "data" / "silero_vad_16k_op15.onnx"  # one window at a time
SEQUENCE = MODEL.with_name("silero_vad_16k_sequence.onnx")  # many
RECORDING = _FILES / "pyannote" / "audio" / "sample" / "sample.wav"
ANNOTATION = RECORDING.with_suffix(".rttm")
