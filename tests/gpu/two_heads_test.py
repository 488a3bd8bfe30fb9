"""The two_heads network with TensorRT 8.5.3.1, against PyTorch in float64."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

import torch_nacelle as nacelle
from tests.gpu.two_heads import DATA, DYNAMIC, EIGHT_PROFILES, FIXED, TwoHeads, assert_close, images, load

pytestmark = pytest.mark.skipif(
    "NACELLE_TENSORRT_PATH" not in os.environ,
    reason="set NACELLE_TENSORRT_PATH to a folder with libnvinfer.so.8 of 8.5.3",
)


@pytest.fixture(scope="module")
def reference() -> TwoHeads:
    return TwoHeads()


@pytest.fixture
def program(tmp_path: Path) -> torch.jit.ScriptModule:
    return load(DYNAMIC, tmp_path)


def test_the_recorded_values() -> None:
    recorded = numpy.load(DATA / "two_heads.npz")
    program = nacelle.embed(DYNAMIC.read_bytes())
    found = program(torch.from_numpy(recorded["input_0"]).float().cuda())
    assert_close(found, [torch.from_numpy(recorded[name]).double() for name in ("output_0", "output_1")])


@pytest.mark.parametrize("batch", [1, 2, 7, 16])
@pytest.mark.parametrize("stream", ["default", "side"])
def test_streams(program: torch.jit.ScriptModule, reference: TwoHeads, batch: int, stream: str) -> None:
    x = images(batch)
    torch.cuda.synchronize()
    with torch.cuda.stream(None if stream == "default" else torch.cuda.Stream()):
        found = program(x)
        torch.cuda.current_stream().synchronize()
    assert_close(found, reference(x))


@pytest.mark.parametrize("batch", [1, 2, 7, 16])
def test_eager(program: torch.jit.ScriptModule, reference: TwoHeads, batch: int) -> None:
    x = images(batch)
    found = torch.ops.tensorrt.execute_engine([x], program.two_heads_trt_engine)
    assert_close(tuple(found), reference(x))


def test_a_fresh_process(program: torch.jit.ScriptModule, reference: TwoHeads, tmp_path: Path) -> None:
    x = images(7)
    torch.save(x.cpu(), tmp_path / "x.pt")
    code = (
        "import sys, torch, torch_nacelle\n"
        "program = torch.jit.load(sys.argv[1])\n"
        "torch.save(program(torch.load(sys.argv[2]).cuda()), sys.argv[3])\n"
    )
    files = [tmp_path / f"{DYNAMIC.name}.ts", tmp_path / "x.pt", tmp_path / "y.pt"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True, env=environment)
    assert_close(torch.load(files[2]), reference(x))


def test_cpp_without_python(program: torch.jit.ScriptModule, reference: TwoHeads, tmp_path: Path) -> None:
    x = images(7)
    torch.save(x.cpu(), tmp_path / "x.pt")
    command = ["examples/cpp/run_program", str(tmp_path / f"{DYNAMIC.name}.ts"), "--device", "cuda"]
    command += ["--input", str(tmp_path / "x.pt"), "--output", str(tmp_path / "y.pt")]
    subprocess.run(command, check=True)
    assert_close(torch.load(tmp_path / "y.pt"), reference(x))


def test_the_plan_is_saved_byte_for_byte(program: torch.jit.ScriptModule, tmp_path: Path) -> None:
    program(images(1))
    for source, abi_version in ((program, 3), (program, 9)):
        copy = nacelle.read(source)
        copy.convert(abi_version)
        copy.save(tmp_path / "copy.ts")
        (engine,) = nacelle.read(tmp_path / "copy.ts").engines
        assert engine.abi_version == abi_version
        assert engine.plan == DYNAMIC.read_bytes()


def test_to_another_device(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    nacelle.to(program, "cuda:0")
    x = images(2)
    assert_close(program(x), reference(x))
    (engine,) = nacelle.read(program).engines
    assert engine.device.endswith("%" + torch.cuda.get_device_name(0))
    with pytest.raises(nacelle.DeviceError, match="it cannot run on cuda:63: there is no such GPU; found"):
        nacelle.to(program, "cuda:63")
    with pytest.raises(nacelle.DeviceError, match="which runs on GPUs; name a CUDA device"):
        nacelle.to(program, "cpu")
    assert_close(program(x), reference(x))


def test_a_profile_has_the_layers_of_the_engine(
    program: torch.jit.ScriptModule, reference: TwoHeads, tmp_path: Path
) -> None:
    x = images(2)
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        torch.cuda.synchronize()
        with torch.cuda.stream(stream), nacelle.profile(program) as profile:
            for _ in range(3):
                found = program(x)
        assert_close(found, reference(x))
        assert len(profile.layers) > 2
        assert all(layer.calls == 3 and layer.mean_ms >= 0 for layer in profile.layers)
        assert profile.layers[0].mean_ms > 0
        profile.save_trace(tmp_path / "trace.json")


def test_the_libraries_here_are_listed() -> None:
    found = {(library.release, library.kind) for library in nacelle.tensorrt_libraries()}
    assert ("8.5.3.1", "full") in found


@pytest.mark.skipif("NACELLE_UPSTREAM_DATA" not in os.environ, reason="set NACELLE_UPSTREAM_DATA")
def test_two_releases_in_one_process(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    other = torch.jit.load(os.path.join(os.environ["NACELLE_UPSTREAM_DATA"], "abi9_trt11.0.0_rtx5090.ts"))
    x = images(16)
    y = torch.randn(1, 3, 224, 224, device="cuda")
    wanted_x, wanted_y = reference(x), other(y).clone()
    for _ in range(20):
        assert_close(program(x), wanted_x)
        assert torch.allclose(other(y), wanted_y, atol=1e-5)
    torch.cuda.synchronize()
    problems: list[str] = []

    def work(call: Callable[[], None]) -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                for _ in range(200):
                    call()
        except BaseException as error:
            problems.append(repr(error))

    def call_other() -> None:
        assert torch.allclose(other(y), wanted_y, atol=1e-5)

    threads = [
        threading.Thread(target=work, args=(lambda: assert_close(program(x), wanted_x),)),
        threading.Thread(target=work, args=(call_other,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@pytest.mark.parametrize("shared_scratch", [False, True])
def test_a_graph_of_the_users(program: torch.jit.ScriptModule, reference: TwoHeads, shared_scratch: bool) -> None:
    nacelle.configure(program, shared_scratch=shared_scratch, plan_copies=2)
    x = images(7)
    with torch.cuda.stream(torch.cuda.Stream()):
        program(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = program(x)
    for seed in range(3):
        x.copy_(images(7, seed))
        graph.replay()
        other = program(images(3))  # may not use the graph's memory
        assert_close(found, reference(x))
        assert_close(other, reference(images(3)))


def test_a_graph_on_the_stream_of_the_calls_before(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    x = images(7)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        program(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        found = program(x)
    x.copy_(images(7, 1))
    graph.replay()
    assert_close(found, reference(x))


@pytest.mark.parametrize("mode", ["thread_local", "relaxed"])
def test_graphs_while_another_thread_calls(program: torch.jit.ScriptModule, reference: TwoHeads, mode: str) -> None:
    nacelle.configure(program, plan_copies=6)
    x, y = images(7), images(3, 1)
    wanted_x, wanted_y = reference(x), reference(y)
    capturing, calling, stop = torch.cuda.Stream(), threading.Event(), threading.Event()
    problems: list[str] = []

    def call() -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                while not stop.is_set():
                    found = program(y)
                    calling.set()
                torch.cuda.current_stream().synchronize()
                assert_close(found, wanted_y)
        except Exception as error:
            problems.append(repr(error))
            calling.set()

    thread = threading.Thread(target=call)
    thread.start()
    try:
        calling.wait()
        for _ in range(4):
            with torch.cuda.stream(capturing):
                program(x)  # so that the capture finds a context with these shapes
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=capturing, capture_error_mode=mode):
                found = program(x)
            graph.replay()
            assert_close(found, wanted_x)
    finally:
        stop.set()
        thread.join()
    assert problems == []


@pytest.mark.parametrize("shared_scratch", [False, True])
def test_a_graph_that_takes_the_only_context(
    program: torch.jit.ScriptModule, reference: TwoHeads, shared_scratch: bool
) -> None:
    nacelle.configure(program, shared_scratch=shared_scratch)
    x = images(7)
    with torch.cuda.stream(torch.cuda.Stream()):
        program(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = program(x)
    with pytest.raises(nacelle.ExecutionError, match="belong to captured CUDA graphs; raise plan_copies"):
        program(x)
    graph.replay()
    assert_close(found, reference(x))
    del graph
    assert_close(program(images(3)), reference(images(3)))  # of other shapes, on another stream


def test_graphs_that_are_captured_anew_share_a_context(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    nacelle.configure(program, plan_copies=2)
    for batch in [1, 7, 16, 7] * 5:
        x = images(batch, batch)
        with torch.cuda.stream(torch.cuda.Stream()):
            program(x)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = program(x)
        graph.replay()
        assert_close(program(images(3)), reference(images(3)))
        assert_close(found, reference(x))


def test_a_graph_that_goes_while_it_runs(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    x, y = images(16), images(16, 1)
    wanted_x, wanted_y = reference(x), reference(y)
    for _ in range(5):
        busy = torch.randn(2000, 2000, device="cuda")
        with torch.cuda.stream(torch.cuda.Stream()):
            busy @ busy
            program(x)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(20):
                busy = busy @ busy * 1e-4
            found = program(x)
        graph.replay()
        del graph
        other = program(y)  # with the same context, when the graph has run
        assert_close(found, wanted_x)
        assert_close(other, wanted_y)


def test_a_capture_that_is_given_up_gives_its_context_back(
    program: torch.jit.ScriptModule, reference: TwoHeads
) -> None:
    x = images(7)
    with torch.cuda.stream(torch.cuda.Stream()):
        program(x)
    with pytest.raises(ValueError, match="another way"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        program(x)
        raise ValueError("another way")
    assert_close(program(x), reference(x))


def test_calls_on_changing_streams_do_not_mix(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    # One context (TensorRT 8.5, one profile) serves all streams in turn, without waiting on the host.
    wanted = {seed: reference(images(16, seed)) for seed in range(4)}
    inputs = {seed: images(16, seed) for seed in range(4)}
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in range(3)] + [torch.cuda.default_stream()]
    results = []
    for i in range(200):
        with torch.cuda.stream(streams[i % 4]):
            results.append((i % 4 if i % 3 else 3 - i % 4, program(inputs[i % 4 if i % 3 else 3 - i % 4])))
    torch.cuda.synchronize()
    for seed, found in results:
        assert_close(found, wanted[seed])


def test_work_around_the_call_is_ordered_on_the_default_stream(
    program: torch.jit.ScriptModule, reference: TwoHeads
) -> None:
    wanted = reference(images(2))
    for _ in range(50):
        x = torch.zeros(2, 3, 32, 32, device="cuda")
        torch.cuda._sleep(1_000_000)
        x += images(2)
        first, second = program(x)
        found = (first * 2, second * 2)
        del x, first, second
        torch.full((2, 3, 32, 32), 9.0, device="cuda")  # would take x's memory
        assert_close(found, [2 * tensor for tensor in wanted])


@pytest.mark.parametrize("plan", [DYNAMIC, FIXED, EIGHT_PROFILES], ids=lambda path: path.name)
@pytest.mark.parametrize(
    "settings",
    [{}, {"shared_scratch": True}, {"plan_copies": 2}, {"max_contexts": 2}, {"pack_outputs": True}],
    ids=str,
)
def test_threads_share_an_engine(plan: Path, settings: dict[str, object], reference: TwoHeads, tmp_path: Path) -> None:
    program = load(plan, tmp_path, **settings)
    batches = [1] if plan is FIXED else [1, 2, 7, 16]
    inputs = [images(batch, seed) for seed, batch in enumerate(batches)]
    wanted = [[tensor.cuda() for tensor in reference(x)] for x in inputs]
    torch.cuda.synchronize()
    problems: list[str] = []

    def work(index: int) -> None:
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                for i in range(500):
                    which = (i * 7 + index) % len(inputs)
                    for left, right in zip(program(inputs[which]), wanted[which], strict=True):
                        error = (left.double() - right).norm() / right.norm()
                        if not float(error) < 1e-5:
                            problems.append(f"thread {index}, call {i}: {float(error)}")
        except Exception as error:
            problems.append(f"thread {index}: {error!r}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_inputs_that_are_converted(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    x = images(2)
    with pytest.raises(nacelle.InputError, match="is on cpu; wanted cuda:0, where the engine runs"):
        program(x.cpu())
    with pytest.raises(nacelle.InputError, match="has dtype float64; wanted float32"):
        program(x.double())
    nacelle.configure(program, move_inputs=True)
    assert_close(program(x.cpu()), reference(x))
    with pytest.raises(nacelle.InputError, match="has dtype float64; wanted float32"):
        program(x.cpu().double())
    nacelle.configure(program, convert_inputs=True)
    assert_close(program(x.cpu().double()), reference(x))
    nacelle.configure(program, move_inputs=False)
    assert_close(program(x.double()), reference(x))
    with pytest.raises(nacelle.InputError, match=r"is on cpu.*configure\(program, move_inputs=True\)"):
        program(x.cpu())


def test_slices_and_strides(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    flat = torch.randn(1 + 2 * 3 * 32 * 32, device="cuda")
    misaligned = flat[1:].view(2, 3, 32, 32)
    assert misaligned.data_ptr() % 256 != 0
    assert_close(program(misaligned), reference(misaligned))
    strided = images(2).to(memory_format=torch.channels_last)
    assert_close(program(strided), reference(strided))


def test_a_wrong_shape_names_the_profile(program: torch.jit.ScriptModule) -> None:
    with pytest.raises(nacelle.InputError, match="dimension 0 is 17; wanted 1 to 16"):
        program(torch.zeros(17, 3, 32, 32, device="cuda"))


def test_the_current_device_is_left_as_it_was(program: torch.jit.ScriptModule) -> None:
    before = torch.cuda.current_device()
    program(images(1))
    assert torch.cuda.current_device() == before


def test_equal_plans_share_one_engine(tmp_path: Path) -> None:
    first = load(FIXED, tmp_path)
    first(images(1))
    torch.cuda.synchronize()
    before = torch.cuda.mem_get_info()[0]
    more = [load(FIXED, tmp_path) for _ in range(8)]
    after = torch.cuda.mem_get_info()[0]
    assert len(more) == 8
    assert before - after < 8 << 20


def test_the_layers_are_told(program: torch.jit.ScriptModule) -> None:
    assert "Layers" in program.two_heads_trt_engine.layer_information()


def test_calls_after_a_profile(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    x = images(2)
    for _ in range(2):
        with nacelle.profile(program):
            program(x)
        assert_close(program(x), reference(x))
    outputs: list[tuple[torch.Tensor, ...]] = []

    def work() -> None:
        with torch.cuda.stream(torch.cuda.Stream()):
            outputs.append(program(x))
            torch.cuda.current_stream().synchronize()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert_close(outputs[0], reference(x))


def test_outputs_in_one_block(program: torch.jit.ScriptModule, reference: TwoHeads) -> None:
    nacelle.configure(program, pack_outputs=True)
    stream = torch.cuda.Stream()
    for batch in (1, 16, 7):
        x = images(batch)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            first, second = program(x)
        assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
        assert second.data_ptr() % 256 == 0
        # The block is torch's: what is told of one output holds for both.
        first.record_stream(torch.cuda.default_stream())
        stream.synchronize()
        assert_close((first, second), reference(x))


def test_calls_are_marked_for_profilers_of_the_system(tmp_path: Path) -> None:
    load(DYNAMIC, tmp_path)
    code = (
        "import sys, torch, torch_nacelle as nacelle\n"
        "program = nacelle.configure(torch.jit.load(sys.argv[1]), nvtx=True)\n"
        "x = torch.ones(2, 3, 32, 32, device='cuda')\n"
        "program(x)\n"
        "torch.cuda.synchronize()\n"
    )
    # The library that NVTX loads in the place of a profiler writes down its ranges.
    log = tmp_path / "ranges.txt"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NVTX_INJECTION64_PATH": str(Path("tests/gpu/libnvtx_log.so").absolute()),
        "NACELLE_NVTX_LOG": str(log),
    }
    subprocess.run([sys.executable, "-c", code, str(tmp_path / f"{DYNAMIC.name}.ts")], check=True, env=environment)
    ranges = log.read_text().split("\n")
    start = ranges.index("push execute_engine two_heads")
    assert ranges[start + 1] == "push inputs"
    assert "push enqueue" in ranges[start:]
    assert ranges.count("pop") == sum(line.startswith("push") for line in ranges)
