"""The end of the interpreter while daemon threads are in the middle of calls: the process ends well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import torch_nacelle as nacelle

# Each round is a fork, which ends as a process does that imported the module itself.
CODE = """
import os, sys, threading
import torch, torch_nacelle as nacelle
for _ in range(3):
    child = os.fork()
    if child == 0:
        break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        sys.exit(f"a round ended with {{status}}")
else:
    sys.exit()
begun = threading.Barrier(5)
def work():
    {before}
    begun.wait()
    while True:
        {call}
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
begun.wait()
{last}
"""
CALLS = {
    "read": "nacelle.read('model.ts')",
    "plan": "nacelle.read('model.ts').engines[0].plan_release",
    "libraries": "nacelle.tensorrt_libraries()",
}


@pytest.mark.parametrize("last", ["", "import time; time.sleep(0.2)"], ids=["at once", "later"])
@pytest.mark.parametrize("call", CALLS)
def test_daemon_threads_at_the_end(call: str, last: str, tmp_path: Path) -> None:
    nacelle.compile(torch.nn.ReLU(), [torch.ones(2)], backend="reference").save(str(tmp_path / "model.ts"))
    code = CODE.format(before=CALLS[call], call=CALLS[call], last=last)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (result.returncode, result.stderr) == (0, "")
