"""Unpacks wheels of a lock file into a folder, without what they require: for the files in them, not to import them.

    unpack.py LOCK FOLDER PYTHON [REQUIREMENT ...]

LOCK may hold more than what is asked for, and several releases of a project; without a REQUIREMENT all of it is taken.
PYTHON is the Python release (3.10) whose wheels are taken, whichever one runs this.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def stanza(lock: str, requirement: str) -> str:
    """Returns the lines of a lock file that pin one requirement, with their hashes."""
    found = re.search(rf"^{re.escape(requirement)}(?: \\\n    --hash=\S+)+$", lock, re.MULTILINE)
    if found is None:
        sys.exit(f"the lock file has no {requirement}")
    return found.group(0)


def main(arguments: list[str]) -> None:
    """Runs the program."""
    lock_path, folder, python, *requirements = arguments
    lock = Path(lock_path).read_text(encoding="utf-8")
    wanted = "\n".join(stanza(lock, requirement) for requirement in requirements) + "\n" if requirements else lock
    with tempfile.NamedTemporaryFile("w", suffix=".lock", delete=False) as chosen:
        chosen.write(wanted)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", "--no-compile", f"--python-version={python}", f"--target={folder}"]
    command += [f"--requirement={chosen.name}"]
    try:
        status = subprocess.run(command, env=dict(os.environ, PIP_ROOT_USER_ACTION="ignore"), check=False).returncode
    finally:
        os.unlink(chosen.name)
    if status != 0:
        sys.exit("pip failed (its own message is above): " + " ".join(command))


if __name__ == "__main__":
    main(sys.argv[1:])
