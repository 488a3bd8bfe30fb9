"""Puts Ray's packages on the path, of this process and of those that Ray starts."""

import os
import sys
from pathlib import Path

_PACKAGES = Path(os.environ["NACELLE_RAY"]).resolve().parents[1]

sys.path.append(str(_PACKAGES))
# Ray's processes find what this one does: they are started with this interpreter, but not by Bazel.
os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
