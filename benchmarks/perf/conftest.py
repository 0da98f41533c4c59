"""What is timed: supernets at the papers' size, plain ones, and the arithmetic floor.

Run it with `pytest benchmarks/perf`, on as many CPU threads as ARCHSELECT_PERF_THREADS
says (one if it is not set), or with ARCHSELECT_PERF_DEVICE=cuda on a GPU;
ARCHSELECT_PERF_BATCH is the number of images, 64 if it is not set. Each group of the
table is one piece of work; the figures in brackets are ratios to the fastest row of the
group, made in one run on one machine. Times by themselves are not to be compared
between machines.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from support.dispatched import dispatched
from support.paper_size import DEVICE, SupernetPair, new_darts, new_nb201
from support.processes import hear_signals

from archselect.benchmarks.runtime.process_settings import configure_process
from archselect.nasbench_adapters.networks import FusedSupernet, Supernet, executed

HERE = Path(__file__).parent
TESTS = HERE.parents[1] / "tests"
SIDE = 1024
"""Rows and columns of the matrices whose product is the measure of arithmetic.

They are large enough to run at full speed.
"""

Work = Callable[[], object]
"""A piece of work that is timed."""

hear_signals()


@pytest.fixture(scope="session", autouse=True)
def settled() -> None:
    """Set up the CPU as a worker has it."""
    configure_process(int(os.environ.get("ARCHSELECT_PERF_THREADS", "1")))


@pytest.fixture(scope="session")
def darts() -> SupernetPair:
    """Return the DARTS supernet of 16 channels and 8 layers, and random images."""
    return new_darts()


@pytest.fixture(scope="session")
def nb201() -> SupernetPair:
    """Return NAS-Bench-201's supernet at the papers' size, and random images."""
    return new_nb201()


@pytest.fixture(scope="session")
def device() -> torch.device:
    """Return the device on which the timings are taken."""
    return DEVICE


@pytest.fixture(scope="session")
def multiply() -> Callable[[float], None]:
    """Return `multiply(flops)`, which does as much arithmetic in large matrix products.

    It is the floor of what those FLOPs can take.
    """
    left = torch.randn(SIDE, SIDE, device=DEVICE)
    right = torch.randn(SIDE, SIDE, device=DEVICE)
    flops_of_product = 2 * SIDE**3

    def run(flops: float) -> None:
        for _ in range(round(flops / flops_of_product)):
            torch.mm(left, right)

    return run


@pytest.fixture
def timed(benchmark: BenchmarkFixture) -> Callable[..., None]:
    """Return `timed(work, rounds)`, which times work after a warm-up.

    It notes how many operations the work dispatches. What is not `eager`, replayed or
    done by another process, is not counted and has been done before. On a GPU it notes
    also how many kernels the work launches, and for how many milliseconds they run.
    """

    def run(work: Work, rounds: int, eager: bool = True) -> None:
        if eager:
            benchmark.extra_info["dispatched"] = dispatched(work)
        if DEVICE.type == "cpu":
            benchmark.pedantic(work, rounds=rounds, warmup_rounds=int(eager))
            return
        work()
        _note_kernels(benchmark, work)

        def synchronised() -> None:
            work()
            torch.cuda.synchronize()

        benchmark.pedantic(synchronised, rounds=3 + rounds, warmup_rounds=1)

    return run


def _note_kernels(benchmark: BenchmarkFixture, work: Work) -> None:
    """Note how many kernels the work launches, and how many milliseconds they run."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        work()
        torch.cuda.synchronize()
    on_gpu = torch.autograd.DeviceType.CUDA
    kernels = [event for event in profile.events() if event.device_type == on_gpu]
    microseconds = sum(event.device_time_total for event in kernels)
    benchmark.extra_info["kernels"] = len(kernels)
    benchmark.extra_info["busy"] = microseconds / 1000


@pytest.fixture
def as_released() -> Iterator[Callable[[str], Callable[[], torch.Tensor]]]:
    """Yield `as_released(work)`, which starts as_released.py.

    What it returns does the work once, and returns its numbers.
    """
    started = []

    def start(work: str) -> Callable[[], torch.Tensor]:
        script = HERE / "as_released.py"
        threads = f"{torch.get_num_threads()}"
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", script, work, threads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(TESTS)},
        )
        started.append(process)

        def run() -> torch.Tensor:
            print(file=process.stdin, flush=True)
            numbers = json.loads(process.stdout.readline())
            return torch.tensor(numbers, dtype=torch.float64)

        return run

    yield start
    for process in started:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def executions() -> Callable[[Supernet], dict[str, Callable[..., torch.Tensor]]]:
    """Return `executions(supernet)`: what runs it, by row.

    It runs as it is, and on a GPU replayed. (Compiling takes minutes.)
    """

    def run(supernet: Supernet) -> dict[str, Callable[..., torch.Tensor]]:
        fused = FusedSupernet(supernet)
        if DEVICE.type == "cpu":
            return {"ours": fused}
        replayed = executed(fused, supernet, "cuda-graphs")
        return {"ours": fused, "ours, replayed": replayed}

    return run


@pytest.fixture(scope="session")
def slack() -> int:
    """Return how many times as much rounding there may be as on a CPU.

    cuDNN's algorithms differ with the layout.
    """
    return 1 if DEVICE.type == "cpu" else 10


@pytest.fixture(params=["ours", "ours, one by one", "plain", "as released", "floor"])
def score_row(request: pytest.FixtureRequest) -> str:
    """Return a row of the table of scores."""
    return _skip_without_meaning(request.param)


@pytest.fixture(params=["ours", "ours, replayed", "plain", "floor"])
def row(request: pytest.FixtureRequest) -> str:
    """Return a row of the table of training steps."""
    return _skip_without_meaning(request.param)


@pytest.fixture(params=["ours", "ours, replayed", "plain", "as released", "floor"])
def nb201_row(request: pytest.FixtureRequest) -> str:
    """Return a row of the tables of NAS-Bench-201's supernet that are not of scores."""
    return _skip_without_meaning(request.param)


def _skip_without_meaning(row: str) -> str:
    """Return a row; skip one that says nothing on this device."""
    if "," in row and DEVICE.type == "cpu":
        pytest.skip("on a CPU that is ours")
    if row == "as released" and DEVICE.type != "cpu":
        pytest.skip("differs from plain in what a CPU does")
    return row
