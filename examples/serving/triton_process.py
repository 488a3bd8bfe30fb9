"""Runs the tritonserver of the wheel nvidia-pytriton, which needs no container: for trying, and for tests.

The wheel brings the server and its Python backend; ``pip install 'torch-nacelle[triton]'`` installs it. It was made for
glibc 2.35 and newer.
"""

import contextlib
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

_PINNED = Path(__file__).absolute().parents[2].parent / "triton_server" / "files"
_BACKEND = "backends/python"
_STUB = "triton_python_backend_stub"


class TritonError(Exception):
    """The server cannot be started; the message says why, and ends in the server's log."""


def find_wheel() -> Path:
    """Returns the folder with the wheel's files: those that Bazel brings, or installed ones.

    Raises:
        TritonError: It is not installed.
    """
    if _PINNED.is_dir():
        return _PINNED
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise TritonError(f"{sys.prefix} has no package pytriton; install it with: pip install nvidia-pytriton==0.7.0")
    return Path(spec.origin).parent.parent


class TritonProcess:
    """A server on a free port of 127.0.0.1, as a context: it runs inside the block, and is ended after it.

        with TritonProcess(models, folder) as server:
            print(server.address)

    The server's Python sees the packages of this one: Triton starts an interpreter that ignores ``PYTHONPATH`` and
    takes its packages from the environment whose ``python3`` is the first in ``PATH``. So one is made, which lists the
    folders of this one's ``sys.path``.
    """

    def __init__(self, models: Path, folder: Path, *, load: Sequence[str] | None = None) -> None:
        """Prepares the server's files; nothing is started.

        Args:
            models: The model repository.
            folder: An empty folder for the server's backend, its Python environment and its log.
            load: Names of the models that it starts with; others are loaded by requests. Left out: all are loaded, and
                the server ends if one of them cannot be.

        Raises:
            TritonError: The wheel is not there, or not for this Python.
        """
        self._wheel = find_wheel()
        self._folder = folder
        self.log = folder / "triton.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare_backend()
        self._environment = self._make_environment()
        self.port = _free_port()
        self._command = [
            str(self._wheel / "pytriton/tritonserver/bin/tritonserver"),
            f"--model-repository={models.absolute()}",
            f"--backend-directory={folder.absolute() / 'backends'}",
            "--backend-config=python,stub-timeout-seconds=300",  # importing torch takes long on a busy machine
            "--http-address=127.0.0.1",
            f"--http-port={self.port}",
            "--allow-grpc=false",
            "--allow-metrics=false",
            "--disable-auto-complete-config",
            "--exit-timeout-secs=15",  # for clients that keep their connections open
            *([] if load is None else ["--model-control-mode=explicit", *(f"--load-model={name}" for name in load)]),
        ]

    @property
    def address(self) -> str:
        """The server's host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's number, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self, seconds: float = 300.0) -> None:
        """Starts the server, and returns when it answers.

        Raises:
            TritonError: It has ended, or does not answer in this time.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, with the processes that it starts
            )
        end = time.monotonic() + seconds
        while not self._is_ready():
            status = self._process.poll()
            if status is not None or time.monotonic() > end:
                self.stop()
                how = f"ended with {status}" if status is not None else f"gave no answer in {seconds:.0f} seconds"
                raise TritonError(f"tritonserver {how}; its log ends in:\n{self._end_of_log()}")
            time.sleep(0.1)

    def kill(self) -> None:
        """Kills the server as the system would: it gets no time to end its own processes."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 30.0) -> None:
        """Ends the server and its processes; kills those that have not ended in this time."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def __enter__(self) -> "TritonProcess":
        """Starts the server, if that has not been done."""
        if self._process is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the server."""
        self.stop()

    def _is_ready(self) -> bool:
        """True if the server answers, and has loaded its models."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _end_of_log(self) -> str:
        """The last errors in the log (lines that begin with E, models that are unavailable), and its last lines."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines[:-10] if line.startswith("E") or "UNAVAILABLE" in line]
        return "\n".join([*errors[-10:], *lines[-10:]])

    def _prepare_backend(self) -> None:
        """Puts the backend and the program that embeds this release of Python into one folder, as Triton wants it."""
        release = f"{sys.version_info[0]}.{sys.version_info[1]}"
        server = self._wheel / "pytriton/tritonserver"
        stub = server / "python_backend_stubs" / release / _STUB
        if not stub.is_file():
            raise TritonError(f"{server} has no {_STUB} for CPython {release}; found: {_names(stub.parent.parent)}")
        backend = self._folder / _BACKEND
        shutil.copytree(server / _BACKEND, backend)
        shutil.copy(stub, backend)
        (backend / _STUB).chmod(0o755)

    def _make_environment(self) -> dict[str, str]:
        """The server's environment variables, with a Python environment that sees what this Python sees."""
        place = self._folder / "python"
        venv.EnvBuilder(symlinks=True).create(place)
        (site,) = place.glob("lib/python3.*/site-packages")
        folders = [str(Path(path).absolute()) for path in sys.path if path and Path(path).is_dir()]
        (site / "packages.pth").write_text("".join(f"{path}\n" for path in folders), encoding="utf-8")
        libraries = [str(self._wheel / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR"))]
        return {
            "OMP_NUM_THREADS": "1",  # fastest for small networks, above all on a busy machine
            **os.environ,
            "PATH": f"{place.absolute() / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LD_LIBRARY_PATH": os.pathsep.join(
                libraries + [path for path in [os.environ.get("LD_LIBRARY_PATH", "")] if path]
            ),
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "none"
