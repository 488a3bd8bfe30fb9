"""Ray's packages, on the path before a test is imported."""

import toolchains.ray.path  # noqa: F401
