"""Puts Ray's pinned packages on the path of this process and of those that Ray starts: import it before Ray.

NACELLE_RAY is the path of ray/__init__.py among them; without it Ray is the installed one.
"""

import os
import sys
from pathlib import Path

if "NACELLE_RAY" in os.environ:
    sys.path.append(str(Path(os.environ["NACELLE_RAY"]).resolve().parents[1]))
    # Ray starts its processes with this interpreter, and Bazel's paths are in none of its own.
    os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    os.environ["NACELLE_RAY"] = os.path.abspath(os.environ["NACELLE_RAY"])
