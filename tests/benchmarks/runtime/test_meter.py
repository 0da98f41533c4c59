import time
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from archselect.benchmarks.runtime import meter as clock_module
from archselect.benchmarks.runtime.meter import PeakMemory, PhaseClock
from archselect.nasbench_adapters.networks import (
    Network,
    Supernet,
    mixture_of,
    new_alphas,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still until it is moved: `now(5)` lets five seconds pass."""
    reading = [100.0]
    monkeypatch.setattr(clock_module, "perf_counter", lambda: reading[0])

    def advance(seconds):
        reading[0] += seconds

    return advance


@pytest.fixture
def supernet(nb201):
    return Supernet(nb201, nb201.skeleton(channels=2, cells=1), 1, 10, seed=0)


def mixture(space):
    return mixture_of(space, new_alphas(space, torch.Generator().manual_seed(0), CPU))


def test_nested_phases_are_exclusive(now):
    clock = PhaseClock(CPU)
    now(1000)
    with clock.phase("select"):
        now(1)
        with clock.phase("score"):
            now(10)
            with clock.phase("data"):
                now(100)
            now(20)
        now(2)
        with clock.phase("score"):
            now(5)
    now(1000)
    with clock.phase("data"):
        now(7)
    times = clock.times()
    assert {name: (t.seconds, t.calls) for name, t in times.items()} == {
        "select": (3, 1),
        "score": (35, 2),
        "data": (107, 2),
    }
    assert list(times) == ["select", "score", "data"]


def test_a_phase_within_itself_counts_no_second_twice(now):
    clock = PhaseClock(CPU)
    with clock.phase("tune"):
        now(1)
        with clock.phase("tune"):
            now(2)
        now(4)
    assert clock.times()["tune"].seconds == 7


def test_a_phase_that_raises_is_charged_and_left(now):
    clock = PhaseClock(CPU)
    with clock.phase("select"):
        with pytest.raises(RuntimeError, match="broken"), clock.phase("score"):
            now(3)
            raise RuntimeError("broken")
        now(4)
    assert clock.times()["score"].seconds == 3
    assert clock.times()["select"].seconds == 4


def test_real_seconds_pass():
    clock = PhaseClock(CPU)
    with clock.phase("score"):
        time.sleep(0.05)
    assert 0.05 <= clock.times()["score"].seconds < 5


def test_counts_go_to_the_phase_in_which_they_happen(nb201, supernet):
    whole, cost = mixture(nb201), ForwardCost(supernet, SHAPE)
    clock = PhaseClock(CPU)
    clock.count_passes(supernet, SHAPE)
    without = whole.without(0, 0, 3)
    with torch.no_grad():
        supernet(torch.zeros(2, *SHAPE), whole)
        with clock.phase("select"):
            with clock.phase("score"):
                supernet(torch.zeros(3, *SHAPE), whole)
                supernet(torch.zeros(5, *SHAPE), without)
            supernet(torch.zeros(7, *SHAPE), whole)
    counts = clock.counts()
    assert set(counts) == {"other", "score", "select"}
    assert (counts["other"].forwards, counts["other"].images) == (1, 2)
    assert (counts["score"].forwards, counts["score"].images) == (2, 8)
    assert counts["score"].flops == 3 * cost(whole) + 5 * cost(without)
    assert cost(without) < cost(whole)
    assert (counts["select"].forwards, counts["select"].images) == (1, 7)
    assert not any(c.backwards for c in counts.values())


def test_backward_counts_twice_its_forward_in_the_phase_of_the_backward(
    nb201, supernet
):
    clock = PhaseClock(CPU)
    clock.count_passes(supernet, SHAPE)
    labels = torch.tensor([0, 1, 2, 3])
    with clock.phase("score"):
        loss = F.cross_entropy(supernet(torch.randn(4, *SHAPE), mixture(nb201)), labels)
    forward = clock.counts()["score"].flops
    with clock.phase("tune"):
        loss.backward()
    assert clock.counts()["score"].backwards == 0
    assert clock.counts()["tune"].model_dump() == {
        "forwards": 0,
        "backwards": 1,
        "images": 0,
        "flops": 2 * forward,
    }


def test_a_gradient_of_the_architecture_weights_alone_is_a_backward(nb201, supernet):
    clock = PhaseClock(CPU)
    clock.count_passes(supernet, SHAPE)
    alphas = [
        a.requires_grad_()
        for a in new_alphas(nb201, torch.Generator().manual_seed(0), CPU)
    ]
    with clock.phase("supernet"):
        loss = (
            supernet(torch.randn(4, *SHAPE), mixture_of(nb201, alphas)).square().sum()
        )
        torch.autograd.grad(loss, alphas)
    assert clock.counts()["supernet"].backwards == 1


def test_a_network_without_mixture_is_counted(nb201):
    cell = nb201.parse(
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"
    )
    network = Network(nb201, cell, nb201.skeleton(channels=2, cells=1), 1, 10, [0])
    clock = PhaseClock(CPU)
    clock.count_passes(network, SHAPE)
    with clock.phase("validate"), torch.no_grad():
        network(torch.zeros(6, *SHAPE))
    counts = clock.counts()["validate"]
    assert (counts.forwards, counts.images, counts.flops) == (
        1,
        6,
        6 * ForwardCost(network, SHAPE)(),
    )


def test_counting_costs_what_it_counts_nothing(nb201, supernet):
    """Measuring the FLOPs of one image is itself a forward; it must not be counted, nor leave a trace."""
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    clock = PhaseClock(CPU)
    clock.count_passes(supernet, SHAPE)
    assert clock.counts() == {}
    assert all(
        torch.equal(value, before[name])
        for name, value in supernet.state_dict().items()
    )


def test_peak_memory_sees_an_allocation_that_is_gone():
    megabytes = 1 << 20
    memory = PeakMemory(CPU)
    before = memory.read()
    block = torch.ones(200 * megabytes, dtype=torch.uint8)
    del block
    assert memory.kind == "process peak (resident)"
    assert memory.read() - before >= 150 * megabytes


def test_peak_memory_starts_anew_where_the_system_lets_it():
    block = torch.ones(200 << 20, dtype=torch.uint8)
    with_block = PeakMemory(CPU).read()
    del block
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("this system does not let a process reset its peak")
    assert PeakMemory(CPU).read() <= with_block - (150 << 20)


@pytest.mark.gpu
def test_peak_memory_on_cuda():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    memory = PeakMemory(torch.device("cuda"))
    before = memory.read()
    block = torch.ones(200 << 20, dtype=torch.uint8, device="cuda")
    del block
    assert memory.kind == "CUDA peak (allocated)"
    assert memory.read() - before >= 200 << 20
