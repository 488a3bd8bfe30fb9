"""Ray with Ray Data and Ray Serve: @ray_packages//:marker, in the folder of the packages. About 600 megabytes, for //tests/ray."""

load("//toolchains/wheels:repository.bzl", "wheel_files")

# What toolchains/locks/ray.in names; the rest of what they require is in the lock of the build's own Python.
_REQUIREMENTS = [
    "ray==2.60.0",
    "anyio==4.16.0",
    "attrs==26.1.0",
    "fastapi==0.165.0",
    "grpcio==1.85.3",
    "grpcio-reflection==1.85.1",
    "h11==0.16.0",
    "jsonschema==4.26.0",
    "jsonschema-specifications==2025.9.1",
    "msgpack==1.2.4",
    "opentelemetry-api==1.45.2",
    "pandas==2.3.3",
    "prometheus-client==0.26.0",
    "pyarrow==25.0.1",
    "pytz==2026.6",
    "referencing==0.37.0",
    "rpds-py==0.30.0",
    "starlette==1.10.0",
    "uvicorn==0.54.0",
]

def ray_repository():
    """Declares the repository, for the build's own Python."""
    wheel_files(
        name = "ray_packages",
        build_file = Label("//toolchains/ray:packages.BUILD"),
        lock = Label("//toolchains/locks:ray.lock"),
        python = "",
        requirements = _REQUIREMENTS,
    )
