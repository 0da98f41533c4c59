"""The perturbed mixture against a slow one written entry by entry, and where in a step it is used."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.sdarts_rs import SdartsRS, perturb
from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.space import DROPPED, OPEN, Decisions
from archselect.nasbench_adapters.spaces import get_space


def slowly(rows, radius, draws):
    """The rule for each entry of a cell type's (edges, operations) rows, with uniform draws in 0 … 1 in their order."""
    out = []
    for row in rows.tolist():
        noise = [radius * (2 * next(draws) - 1) for _ in row]
        if not any(row):
            out.append(row)
            continue
        moved = {
            k: w + u for k, (w, u) in enumerate(zip(row, noise, strict=True)) if w != 0
        }
        clipped = {k: min(max(value, 0.0), 1.0) for k, value in moved.items()}
        total = sum(clipped.values())
        if total == 0:
            clipped, total = {max(moved, key=moved.get): 1.0}, 1.0
        out.append([clipped.get(k, 0.0) / total for k in range(len(row))])
    return torch.tensor(out)


@given(
    space=st.sampled_from(["nb201", "s1", "s3"]),
    seed=st.integers(0, 1000),
    radius=st.sampled_from([0.0, 0.03, 0.3, 0.9]),
    scale=st.sampled_from([0.001, 1.0, 5.0]),
    data=st.data(),
)
def test_it_is_the_rule_entry_by_entry(space, seed, radius, scale, data):
    space = get_space(space)
    choices = [
        st.integers(-2, len(names) - 1)
        for cell in space.cells
        for names in cell.operations
    ]
    flat = data.draw(st.tuples(*choices))
    rows, start = [], 0
    for cell in space.cells:
        rows.append(tuple(flat[start : start + len(cell.edges)]))
        start += len(cell.edges)
    decisions = Decisions(tuple(rows))
    generator = torch.Generator().manual_seed(seed)
    alphas = [
        scale
        * torch.randn(
            len(cell.edges), max(map(len, cell.operations)), generator=generator
        )
        for cell in space.cells
    ]
    mixture = mixture_of(space, alphas, decisions)
    found = perturb(mixture, radius, torch.Generator().manual_seed(seed))
    count = sum(weights.numel() for weights in mixture.weights)
    draws = iter(
        torch.rand(count, generator=torch.Generator().manual_seed(seed)).tolist()
    )
    for c, (before, after) in enumerate(
        zip(mixture.weights, found.weights, strict=True)
    ):
        assert torch.allclose(after, slowly(before, radius, draws), atol=1e-5)
        for edge, choice in enumerate(decisions.choices[c]):
            allowed = len(space.cells[c].operations[edge])
            assert not after[edge, allowed:].any()
            if choice == OPEN:
                assert math.isclose(float(after[edge].sum()), 1, abs_tol=1e-5)
            elif choice == DROPPED:
                assert not after[edge].any()
            else:
                assert after[edge, choice] == 1 and after[edge].sum() == 1
    assert found.support == mixture.support


def test_an_edge_of_which_nothing_is_left_keeps_its_largest():
    rows = torch.full((2000, 5), 0.2)
    support = (((True,) * 5,) * 2000,)
    mixture = type("Mixture", (), {"weights": (rows,), "support": support})
    (after,) = perturb(mixture, 0.9, torch.Generator().manual_seed(0)).weights
    noise = 0.9 * (
        2 * torch.rand(10_000, generator=torch.Generator().manual_seed(0)) - 1
    ).view(2000, 5)
    lost = (rows + noise <= 0).all(1)
    assert int(lost.sum()) > 10
    assert torch.equal(after[lost], torch.eye(5)[noise[lost].argmax(1)])


def test_the_radius_grows_over_the_epochs_and_stays_at_its_end_while_tuning(
    new_trainer, monkeypatch
):
    seen = []
    monkeypatch.setattr(
        "archselect.benchmarks.optimisers.sdarts_rs.perturb",
        lambda mixture, radius, generator, rescales: seen.append(radius) or mixture,
    )
    trainer = new_trainer(SdartsRS(batch_size=24))
    for epoch in range(4):
        trainer.epoch(trainer.space.undecided(), progress=epoch / 4)
    trainer.epoch(trainer.space.undecided())
    assert seen == pytest.approx(
        [0.03 + 0.27 * epoch / 4 for epoch in range(4)] + [0.3]
    )


def test_only_the_weights_step_is_perturbed(new_trainer):
    """The first step's batches are drawn before its noise, so alphas after it are those of DARTS; weights are not."""
    plain, noisy = (
        new_trainer(Darts(batch_size=24)),
        new_trainer(SdartsRS(batch_size=24)),
    )
    for trainer in (plain, noisy):
        trainer.epoch(trainer.space.undecided(), progress=0.0)
    assert torch.equal(plain.alphas[0], noisy.alphas[0])
    one, other = plain.supernet.state_dict(), noisy.supernet.state_dict()
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])


def test_what_is_drawn_comes_from_the_trainers_stream_alone(new_trainer):
    first, second = (
        new_trainer(SdartsRS(batch_size=16)),
        new_trainer(SdartsRS(batch_size=16)),
    )
    before = torch.get_rng_state()
    first.epoch(first.space.undecided())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    second.epoch(second.space.undecided())
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            first.supernet.state_dict().values(),
            second.supernet.state_dict().values(),
            strict=True,
        )
    )
