"""The folder in which CMake finds the C++ library of this package."""

from pathlib import Path

cmake_prefix_path = str(Path(__file__).parents[1] / "share" / "cmake")
"""The folder to add to ``CMAKE_PREFIX_PATH``, so that ``find_package(Nacelle)`` finds the installed wheel."""
