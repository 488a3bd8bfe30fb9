"""Paths of the example's data: published weights and a photo, which the build takes out of two pinned wheels."""

from pathlib import Path

# Bazel puts the files of an external repository beside those of this one.
_FILES = Path(__file__).parents[2].parent / "example_data" / "files"

# Folder of pnet.pt, rnet.pt and onet.pt. There only in programs and tests that Bazel starts, as is the photo.
WEIGHTS = _FILES / "facenet_pytorch" / "data"
ASTRONAUT = _FILES / "skimage" / "data" / "astronaut.png"
