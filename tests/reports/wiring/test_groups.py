"""Which traced supernets belong together, what is judged of them, and by which controls."""

from __future__ import annotations

import pytest

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import UserError
from archselect.reports.results.results import load
from archselect.reports.wiring.groups import wiring_groups
from archselect.reports.wiring.verdicts import GROWING, NO_EDGES, PRUNING, WIDTH


def test_supernets_that_differ_by_seed_are_a_group(traces, tmp_path):
    root = traces.study(
        tmp_path,
        seeds=2,
        kinds=[("dsnas", {}), ("dsnas", {"alpha_lr": 0.1}), ("spos", {})],
    )
    groups = wiring_groups(load(root))
    assert [group.optimiser for group in groups] == [
        "dsnas (alpha_lr=0.1)",
        "dsnas (alpha_lr=None)",
        "spos",
    ]
    assert [[supernet.seed for supernet in group.supernets] for group in groups] == [
        [0, 1]
    ] * 3
    assert groups[2].name == "spos on minimal, cifar10@8"


def test_claims_are_those_of_the_optimiser(traces, tmp_path):
    kinds = [
        ("dsnas", {}),
        ("spos", {}),
        ("blank", {}),
        ("darts", {"level": "bi"}),
        ("darts", {"level": "single"}),
    ]
    groups = {
        group.optimiser: group
        for group in wiring_groups(load(traces.study(tmp_path, seeds=1, kinds=kinds)))
    }
    single = [GROWING, PRUNING, WIDTH]
    assert {name: group.claims for name, group in groups.items()} == {
        "dsnas": single,
        "spos": [],
        "blank": [],
        "darts bi-level": [NO_EDGES],
        "darts single-level": single,
    }


def test_cells_without_none_or_without_inner_edges_are_not_judged_by_them(
    traces, tmp_path
):
    kept = traces.cell().model_copy(
        update={"operations": [[f"op{k}" for k in range(8)]] * 5}
    )
    flat = traces.cell([(0, 2), (1, 2)])
    for place, (cell, claims) in enumerate([(kept, []), (flat, [GROWING, PRUNING])]):
        root = traces.study(
            tmp_path / f"{place}", seeds=1, kinds=[("dsnas", {})], cells=[cell]
        )
        assert wiring_groups(load(root))[0].claims == claims


def test_controls_are_of_the_same_seed_and_settings(traces, tmp_path):
    bi, single = ("darts", {"level": "bi"}), ("darts", {"level": "single"})
    root = traces.study(
        tmp_path,
        seeds=3,
        kinds=[("darts", {"level": "single", "lr": 1.0}), bi, single, ("spos", {})],
    )
    groups = {group.optimiser: group for group in wiring_groups(load(root))}
    judged = groups["darts bi-level"]
    for supernet in judged.supernets:
        control = judged.control(NO_EDGES, supernet)
        assert (
            control is not None
            and control.id
            == traces.inputs("darts", supernet.seed, level="single").supernet_id
        )
    own = groups["darts single-level (lr=None)"]
    assert [own.control(WIDTH, supernet).id for supernet in own.supernets] == [
        traces.inputs("spos", seed).supernet_id for seed in range(3)
    ]


def test_a_trace_that_is_missing_or_damaged_is_named_with_the_mend(traces, tmp_path):
    root = traces.study(tmp_path, seeds=1)
    inputs = next(Folder(root).read_all(Record)).inputs
    path = Folder(root).trace(inputs.supernet_id)
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(UserError) as missing:
        wiring_groups(load(root))
    assert f"{path} is missing" in str(missing.value) and "\n" not in str(missing.value)
    assert (
        f"remove {root / 'supernets' / inputs.supernet_id}.pt and rerun 'archselect run wiring"
        in str(missing.value)
    )
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"{path.name} is damaged, or is not a trace"):
        wiring_groups(load(root))


def test_supernets_that_were_not_traced_are_left_alone(traces, tmp_path):
    root = traces.study(tmp_path, seeds=1, kinds=[("dsnas", {"trace": False})])
    for path in (root / "traces").iterdir():
        path.unlink()
    assert wiring_groups(load(root)) == []
