import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import features as features_module
from archselect.nasbench_adapters.truth.choices import canonical_rows, flatten
from archselect.nasbench_adapters.truth.features import (
    feature_names,
    features,
    is_graph,
)

SPACES = ["nb201", "darts", "s1", "s3", "s4", "nb101", "nb1shot1-1"]


def described(space, architecture):
    """Every feature by its name, from the paths of the cell one by one."""
    found = {}
    for cell, row in zip(space.cells, architecture.choices, strict=True):
        carried = {}
        for edge, ((source, target), choice) in enumerate(
            zip(cell.edges, row, strict=True)
        ):
            name = None if choice is None else cell.operations[edge][choice]
            for each in cell.operations[edge]:
                found[f"choice {cell.name} {source}-{target} {each}"] = name == each
            if name not in (None, "none"):
                carried[source, target] = name
        names = {name for allowed in cell.operations for name in allowed} - {"none"}

        def walks(node, goals, carried=carried):
            if node in goals:
                yield []
            for source, target in carried:
                if source == node:
                    yield from (
                        [(source, target), *rest] for rest in walks(target, goals)
                    )

        ways = [
            walk
            for start in range(cell.inputs)
            for walk in walks(start, set(cell.output))
        ]
        anywhere = [
            walk
            for start in range(cell.nodes)
            for walk in walks(start, set(cell.output))
        ]
        for name in names:
            edges = [edge for edge, own in carried.items() if own == name]
            found[f"graph {cell.name} early {name}"] = sum(
                source < cell.inputs for source, _ in edges
            )
            found[f"graph {cell.name} late {name}"] = sum(
                source >= cell.inputs for source, _ in edges
            )
            found[f"graph {cell.name} paths {name}"] = sum(
                edge in walk for walk in ways for edge in edges
            )
            on = [sum(carried[edge] == name for edge in walk) for walk in anywhere]
            found[f"graph {cell.name} longest {name}"] = max(on, default=0)
    return found


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_features_are_what_their_names_say(name, seed):
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(seed))
    names = feature_names(space)
    assert len(set(names)) == len(names)
    (row,) = features(space, flatten(architecture)[None])
    assert dict(zip(names, row.tolist(), strict=True)) == described(space, architecture)


@pytest.mark.parametrize("name", SPACES)
def test_rows_do_not_depend_on_the_rows_beside_them(name, monkeypatch):
    space, rng = get_space(name), np.random.default_rng(0)
    rows = np.stack([flatten(space.sample(rng)) for _ in range(12)])
    together = features(space, rows)
    assert together.dtype == np.float32
    assert np.array_equal(
        together, np.concatenate([features(space, row[None]) for row in rows])
    )
    monkeypatch.setattr(features_module, "CHUNK", 5)
    assert np.array_equal(together, features(space, rows))
    assert is_graph(feature_names(space)).sum() == sum(
        name.startswith("graph") for name in feature_names(space)
    )


def test_equal_functions_have_equal_features(nb201):
    """All members of a class, and of no other class, have one row."""
    rows = canonical_rows(nb201, list(nb201.classes))
    distinct = np.unique(rows, axis=0)
    assert len(distinct) == len(nb201.representatives)
