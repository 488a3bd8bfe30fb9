"""Objects may go in any order, and the process ends well. A crash is a failure."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

IMPORTS = """
import gc, json, os, sys, torch
from tests.conformance import plans
from tests.conformance.bindings import trt
from tests.conformance.clients import LayerTimes, Log, Recorder
"""

SET_UP = """
log = Log()
runtime = trt.Runtime(log)
recorder, times = Recorder(), LayerTimes()
runtime.error_recorder = recorder
engine = runtime.deserialize_cuda_engine(plans.refuse())
context = engine.create_execution_context()
context.profiler = times
inspector = engine.create_engine_inspector()
x, y = torch.zeros(4), torch.zeros(4)
context.set_tensor_address("x", x.data_ptr())
context.set_tensor_address("y", y.data_ptr())
def run():
    gc.collect()
    assert context.execute_async_v3(0)
    assert y.tolist() == [1, 1, 1, 1]
"""

ORDERS = {
    "the_runtime_first": "del runtime, recorder, log; run(); del engine; run(); del context",
    "the_engine_first": "del engine; run(); del runtime; run(); del context; gc.collect()",
    "the_context_first": "del context; gc.collect(); assert engine.name == 'engine'; del engine; del runtime",
    "a_context_alone": "del inspector, engine, runtime, log, recorder, times; run(); del context; gc.collect()",
    "an_inspector_alone": "del context, engine, runtime; gc.collect(); "
    "assert 'Layers' in inspector.get_engine_information(trt.LayerInformationFormat.ONELINE); del inspector",
    "memory_that_outlives_its_engine": "memory = engine.serialize(); del context, inspector, engine, runtime; "
    "gc.collect(); assert bytes(memory) == plans.refuse(); del memory",
    "many": "all = [[engine.create_execution_context() for _ in range(9)] for engine in "
    "[runtime.deserialize_cuda_engine(plans.refuse()) for _ in range(9)]]; run(); del all, engine; run()",
    "nothing_is_deleted": "run()",
}


# Each order in a fork of a process that has imported everything, because that takes seconds. A fork ends as any process
# does: the interpreter tears its modules down and the libraries' destructors run. The garbage collector leaves out what
# torch made before the bindings were there, which takes it a second in each fork.
IN_FORKS = f"""
import gc
from tests.conformance import plans
plans.refuse()
gc.freeze()
{IMPORTS}
ends = {{}}
for name, order in {ORDERS!r}.items():
    child = os.fork()
    if child == 0:
        exec({SET_UP!r} + order)
        sys.exit()
    ends[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps(ends))
"""


@pytest.fixture(scope="module")
def ends() -> dict[str, int]:
    """The end of each order: 0 is well, 1 an exception, below 0 a signal."""
    done = subprocess.run([sys.executable, "-c", IN_FORKS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stderr)
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("order", ORDERS)
def test_objects_go_in_any_order(ends: dict[str, int], order: str) -> None:
    assert ends[order] == 0


def test_a_process_that_does_nothing_else_ends_well() -> None:
    code = f"{IMPORTS}{SET_UP}run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
