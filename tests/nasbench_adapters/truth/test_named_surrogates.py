import pytest
from support.truths import additive, sampled, table_of

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.truth import (
    forms,
    list_truths,
    open_table,
    open_truth,
    validation,
)
from archselect.nasbench_adapters.truth.named_surrogates import fit_truth
from archselect.nasbench_adapters.truth.surrogate import Surrogate


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(forms, "ROUNDS", 40)
    monkeypatch.setattr(validation, "RESAMPLES", 100)


def test_through_the_front_door(tmp_path, own_folders):
    space, cells = sampled("s2", 60)
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    table_of(space, additive(space, cells)).save(one)
    table_of(space, additive(space, cells), splits=["other"]).save(two)
    fit_truth(str(one), name="mine")
    opened = open_truth("mine")
    assert isinstance(opened, Surrogate) and opened.name == "mine"
    (listed,) = [t for t in list_truths() if t.name == "mine"]
    assert (
        listed.present
        and "cross-validated on 60 architectures: Kendall's tau-b" in listed.summary
    )
    with pytest.raises(
        UserError,
        match=r"name one column of truth .* 2 fit; it has d/other at 5 epochs; d/s",
    ):
        fit_truth(str(two), name="x")
    fit_truth(str(two), name="x", split="other")
    assert open_truth("x").describe_columns() == "d/other at 5 epochs"
    with pytest.raises(UserError, match="0 fit"):
        fit_truth(str(two), name="z", split="another")
    with pytest.raises(
        UserError, match="is a surrogate: name the table that it was fitted on, 't'"
    ):
        fit_truth("mine", name="y")
    with pytest.raises(UserError, match="'mine' is a surrogate: name the table"):
        open_table("mine")
    assert open_table(str(one)).checksum == open_truth(str(one)).checksum
    table_of(space, additive(space, cells)).save(
        own_folders / "data" / "archselect" / "truth" / "cells.npz"
    )
    with pytest.raises(
        UserError, match="'cells' is a table, which the surrogate would replace"
    ):
        fit_truth("cells", name="cells")
    for name in ("nb201-digits", "a/b"):
        with pytest.raises(UserError, match=r"built in|cannot name"):
            fit_truth(str(one), name=name)
