"""Traces as files: the same when read back; spoiled ones are refused in one line that names the mend."""

from dataclasses import replace

import numpy as np
import pytest

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import SupernetInputs
from archselect.benchmarks.store.traces import AXES, TracedCell, read_trace, write_trace
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space


@pytest.fixture(scope="module")
def trace(digits):
    """Of DARTS on a space of two cell types, one epoch."""
    recipe = Recipe(recipe="darts", epochs=1, batch_size=8, trace=True)
    inputs = SupernetInputs(
        recipe="darts",
        settings=recipe.settings(),
        skeleton={"channels": 2, "layers": 4},
    )
    return make_supernet(recipe, get_space("s3"), inputs, digits(16), 0).trace


@pytest.fixture
def path(trace, tmp_path):
    return Folder(tmp_path).trace(trace.info.id)


def test_a_trace_survives_its_file(trace, path):
    write_trace(path, trace)
    again = read_trace(path)
    assert (
        again.info == trace.info
        and np.array_equal(again.losses, trace.losses)
        and again.epochs == 1
    )
    for own, other in zip(again.cells, trace.cells, strict=True):
        for name in AXES:
            assert np.array_equal(
                getattr(own, name), getattr(other, name), equal_nan=True
            ), name
    first = path.read_bytes()
    write_trace(path, again)
    assert path.read_bytes() == first


def test_an_epoch_in_which_the_alphas_never_stepped_survives(digits, tmp_path):
    # The informed schedule never steps before the first of the batches.
    recipe = Recipe(
        recipe="darts", epochs=1, batch_size=8, trace=True, schedule="informed"
    )
    space = get_space("s3")
    inputs = recipe.inputs("s3", {"channels": 2, "layers": 4})
    made = make_supernet(recipe, space, inputs, digits(16), 0).trace
    path = Folder(tmp_path).trace(made.info.id)
    write_trace(path, made)
    again = read_trace(path)
    assert again.alpha_step_counts.tolist() == [0]
    learnt_from = again.info.parts.index("valid")
    assert not again.losses[:, learnt_from].any()
    for cell in again.cells:
        assert not cell.cost_counts.any()
        assert np.isnan(cell.cost_means).all() and np.isnan(cell.edge_costs).all()
        assert np.array_equal(cell.probabilities[0], cell.probabilities[1])


def test_it_says_what_it_is_of(trace):
    info = trace.info
    assert (info.space, info.parts, info.data.name) == (
        "s3",
        ["valid", "train"],
        "digits",
    )
    normal, reduction = info.cells
    assert (normal.name, normal.layers, reduction.layers, len(normal.edges)) == (
        "normal",
        2,
        2,
        14,
    )
    assert (
        normal.operations[0] == ["none", "skip_connect", "sep_conv_3x3"]
        and normal.width == 3
    )
    assert trace.cells[0].probabilities.shape == (2, 14, 3) and trace.cells[
        0
    ].edge_costs.shape == (1, 2, 14)


def test_it_is_of_the_supernet_whose_name_it_bears(trace, path):
    other = path.with_name("0" * 16 + ".npz")
    write_trace(other, trace)
    with pytest.raises(
        UserError,
        match=r"it belongs to another supernet.*: remove it and its supernet, and run again",
    ):
        read_trace(other)
    write_trace(path, replace(trace, info=trace.info.model_copy(update={"seed": 1})))
    with pytest.raises(UserError, match="it belongs to another supernet"):
        read_trace(path)


def test_arrays_of_another_shape_or_type_are_refused(trace, path):
    first, *rest = trace.cells
    for spoiled, words in (
        (
            replace(first, cost_means=first.cost_means[:, 1:]),
            r"'cost_means_0' has shape \(1, 13, 3\), not \(1, 14, 3\)",
        ),
        (
            replace(first, probabilities=first.probabilities.astype(np.float64)),
            "'probabilities_0' is of float64",
        ),
        (
            replace(first, cost_counts=first.cost_counts.astype(np.float32)),
            "'cost_counts_0' is of float32",
        ),
    ):
        write_trace(path, replace(trace, cells=(spoiled, *rest)))
        with pytest.raises(UserError, match=words):
            read_trace(path)


def test_a_truncated_or_missing_file_is_refused(trace, path):
    with pytest.raises(UserError, match="cannot read"):
        read_trace(path)
    write_trace(path, trace)
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="is damaged, or is not a trace") as refused:
            read_trace(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"edges": [(0, 5)]},
        {"edges": [(1, 0)]},
        {"operations": [[]]},
        {"operations": [["a"], ["b"]]},
        {"nodes": 10**9},
        {"output": [7]},
        {"inputs": 0},
    ],
)
def test_a_cell_that_is_none_is_refused(wrong):
    cell = {
        "name": "c",
        "inputs": 1,
        "nodes": 2,
        "output": [1],
        "edges": [(0, 1)],
        "operations": [["a"]],
        "layers": 1,
    }
    TracedCell.model_validate(cell)
    with pytest.raises(ValueError, match=r"it has nodes|its edges|edges|inputs"):
        TracedCell.model_validate(cell | wrong)
