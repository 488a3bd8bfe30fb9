"""A Ray cluster of this machine alone, for the time of an example."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import toolchains.ray.path  # noqa: F401 - before Ray

# isort: split
import ray


@contextmanager
def local_ray(store: int = 200 << 20) -> Iterator[None]:
    """Starts Ray, connects to it, and ends it.

    Args:
        store: Bytes of memory for Ray's objects.
    """
    # Ray's sockets lie in its folder, and names of sockets are short.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(include_dashboard=False, object_store_memory=store, log_to_driver=False, _temp_dir=folder)
        try:
            yield
        finally:
            ray.shutdown()
