"""What is timed: supernets at the papers' size, plain ones with the same weights, and the arithmetic floor.

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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
import torch
from support import naive, naive_darts
from support.dispatched import dispatched as count_dispatched
from torch import nn
from torch.nn import functional as F

from archselect.benchmarks.runtime.machine import open_device
from archselect.benchmarks.runtime.process_settings import configure_process
from archselect.nasbench_adapters.networks import (
    FusedSupernet,
    Mixture,
    Supernet,
    executed,
    mixture_of,
    new_alphas,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.spaces import get_space

BATCH, IMAGE = int(os.environ.get("ARCHSELECT_PERF_BATCH", "64")), (3, 32, 32)
DEVICE = open_device(os.environ.get("ARCHSELECT_PERF_DEVICE", "cpu"))
SIDE = 1024
"""Rows and columns of the matrices whose product is the measure of arithmetic: large
enough to run at full speed.
"""


@pytest.fixture(scope="session", autouse=True)
def settled():
    """The CPU as a worker has it."""
    configure_process(int(os.environ.get("ARCHSELECT_PERF_THREADS", "1")))


@pytest.fixture(scope="session")
def plain_module():
    """The naive DARTS supernet of the tests, with torch's own poolings in place of its slow ones."""
    module = naive_darts

    def pool(self, x):
        if self.kind == "max":
            out = F.max_pool2d(x, 3, self.stride, 1)
        else:
            out = F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)
        return self.bn(out) if self.normalised else out

    module.Pool.forward = pool
    return module


@dataclass(frozen=True)
class World:
    """A supernet, the plain one with the same weights, and what they are given.

    The plain one is laid out channel by channel, as the papers' code has it.
    """

    supernet: Supernet
    plain: nn.Module
    alphas: tuple[torch.Tensor, ...]
    images: torch.Tensor
    labels: torch.Tensor

    @property
    def mixture(self) -> Mixture:
        """Of the alphas, with gradients."""
        return mixture_of(self.supernet.space, self.alphas)

    def weights(self):
        """The mixture as the plain supernet takes it."""
        return [torch.softmax(alpha, dim=1) for alpha in self.alphas]

    @cached_property
    def flops(self):
        """Of one forward of the batch: convolutions and classifier."""
        return self.flops_of([self.mixture])

    def flops_of(self, mixtures):
        """Of one forward of the batch under each of these mixtures."""
        cost = ForwardCost(self.supernet, IMAGE)
        return BATCH * sum(map(cost, mixtures))


@pytest.fixture(scope="session")
def world(plain_module):
    """The DARTS supernet of 16 channels and 8 layers, untrained, and 64 random images."""
    return made("darts", plain_module.copy_of)


@pytest.fixture(scope="session")
def nb201():
    """NAS-Bench-201's supernet of 16 channels and 5 cells a stage, untrained, and 64 random images."""
    return new_nb201()


def new_nb201():
    """See :func:`nb201`."""
    module = naive

    def pool(self, x, blocked=False):
        return F.avg_pool2d(x * 0 if blocked else x, 3, 1, 1, count_include_pad=False)

    module.AveragePool.forward = pool
    return made("nb201", lambda supernet: module.copy_of(supernet, 16, 5))


def made(name, copy_of):
    """The world of a space."""
    space = get_space(name)
    generator = torch.Generator().manual_seed(0)
    supernet = Supernet(space, space.skeleton(), 3, 10, 0)
    plain = copy_of(supernet)
    images = torch.randn(BATCH, *IMAGE, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    return World(
        supernet.to(DEVICE, memory_format=torch.channels_last),
        plain.to(DEVICE),
        tuple(alpha.requires_grad_() for alpha in new_alphas(space, generator, DEVICE)),
        images.to(DEVICE),
        torch.randint(10, (BATCH,), generator=generator).to(DEVICE),
    )


@pytest.fixture(scope="session")
def device():
    """Where the timings are taken."""
    return DEVICE


@pytest.fixture(scope="session")
def multiply():
    """`multiply(flops)` does as much arithmetic in large matrix products: the floor of what those FLOPs can take."""
    a, b = (torch.randn(SIDE, SIDE, device=DEVICE) for _ in range(2))

    def run(flops):
        for _ in range(round(flops / (2 * SIDE**3))):
            torch.mm(a, b)

    return run


@pytest.fixture(scope="session")
def dispatched():
    """`dispatched(work)` is how many operations the work hands to the device, views and allocations apart."""
    return count_dispatched


@pytest.fixture(scope="session")
def timed(dispatched):
    """`timed(benchmark, work, rounds)` times it after a warm-up, and notes how many operations it dispatches.

    What is not `eager`, replayed or done by another process, is not counted and has
    been done before. On a GPU it notes also how many kernels the work launches, and for
    how many milliseconds they run.
    """

    def run(benchmark, work, rounds, eager=True):
        if eager:
            benchmark.extra_info["dispatched"] = dispatched(work)
        if DEVICE.type == "cpu":
            benchmark.pedantic(work, rounds=rounds, warmup_rounds=int(eager))
            return
        work()
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CUDA]
        ) as profile:
            work()
            torch.cuda.synchronize()
        kernels = [
            event
            for event in profile.events()
            if event.device_type == torch.autograd.DeviceType.CUDA
        ]
        benchmark.extra_info["kernels"] = len(kernels)
        benchmark.extra_info["busy"] = (
            sum(event.device_time_total for event in kernels) / 1000
        )

        def whole():
            work()
            torch.cuda.synchronize()

        benchmark.pedantic(whole, rounds=3 + rounds, warmup_rounds=1)

    return run


def kernel_of(net, forward, images):
    """NWOT's K as the released code reckons it: both products of every pattern, in every module named after a ReLU."""
    total = torch.zeros(
        len(images), len(images), dtype=torch.float64, device=images.device
    )

    def listen(module, inputs, output):
        active = (inputs[0].reshape(len(images), -1) > 0).float()
        total.add_(
            (active @ active.T).double() + ((1 - active) @ (1 - active).T).double()
        )

    hooks = [
        m.register_forward_hook(listen)
        for m in net.modules()
        if "ReLU" in type(m).__name__
    ]
    try:
        forward(images)
    finally:
        for hook in hooks:
            hook.remove()
    return total


@pytest.fixture(scope="session")
def plain_kernel():
    """See :func:`kernel_of`."""
    return kernel_of


@pytest.fixture
def as_released():
    """`as_released(work)` starts as_released.py; what it returns has the work done once, and returns its numbers."""
    started = []

    def start(work):
        script = Path(__file__).with_name("as_released.py")
        process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                script,
                work,
                str(torch.get_num_threads()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)

        def run():
            print(file=process.stdin, flush=True)
            return torch.tensor(
                json.loads(process.stdout.readline()), dtype=torch.float64
            )

        return run

    yield start
    for process in started:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def executions():
    """`executions(supernet)` is what runs it, by row: as it is, and on a GPU replayed. (Compiling takes minutes.)"""

    def run(supernet):
        fused = FusedSupernet(supernet)
        if DEVICE.type == "cpu":
            return {"ours": fused}
        return {
            "ours": fused,
            "ours, replayed": executed(fused, supernet, "cuda-graphs"),
        }

    return run


@pytest.fixture(scope="session")
def slack():
    """How many times as much rounding there may be as on a CPU: cuDNN's algorithms differ with the layout."""
    return 1 if DEVICE.type == "cpu" else 10


@pytest.fixture(params=["ours", "ours, one by one", "plain", "as released", "floor"])
def score_row(request):
    """A row of the table of scores: an edge's candidates together, where they are, or not."""
    return _where_it_says_something(request.param)


@pytest.fixture(params=["ours", "ours, replayed", "plain", "floor"])
def row(request):
    """A row of the table of training steps."""
    return _where_it_says_something(request.param)


@pytest.fixture(params=["ours", "ours, replayed", "plain", "as released", "floor"])
def nb201_row(request):
    """A row of the tables of NAS-Bench-201's supernet that are not of scores."""
    return _where_it_says_something(request.param)


def _where_it_says_something(row):
    if "," in row and DEVICE.type == "cpu":
        pytest.skip("on a CPU that is ours")
    if row == "as released" and DEVICE.type != "cpu":
        pytest.skip("differs from plain in what a CPU does")
    return row


def forward_and_backward(model, alphas, forward, labels):
    """The loss and the alphas' gradients."""
    model.zero_grad()
    for alpha in alphas:
        alpha.grad = None
    loss = F.cross_entropy(forward(), labels)
    loss.backward()
    return loss.detach(), [alpha.grad.clone() for alpha in alphas]


@pytest.fixture(scope="session")
def step():
    """See :func:`forward_and_backward`."""
    return forward_and_backward
