"""Spoiled files of every kind are read or refused in one line.

`python -m support.fuzz 10000 0` takes more of them.
"""

import pytest
from support import fuzz

KINDS = {
    **{
        "study": 30,
        "architecture": 30,
        "records": 12,
        "baseline": 12,
        "scores": 5,
        "journal": 4,
        "supernet": 12,
    },
    "trace": 12,
    **{
        "supernet checkpoint": 12,
        "training checkpoint": 12,
        "truth": 40,
        "surrogate": 40,
        "long and cells": 20,
    },
    **{
        "plain": 20,
        "nats": 20,
        "nb201": 15,
        "nb101": 20,
        "macro": 20,
        "nb301": 12,
        "hpo": 20,
        "images": 30,
        "cifar": 20,
    },
    **{
        "svhn": 20,
        "imagenet16": 20,
        "imagenet": 20,
        "operation scores": 20,
        "population": 20,
    },
}
"""How many cases of each."""


def test_every_kind_is_tried():
    assert fuzz.KINDS.keys() == KINDS.keys()


@pytest.mark.skipif(
    not hasattr(__import__("signal"), "SIGALRM"),
    reason="tells by a signal what takes too long",
)
@pytest.mark.parametrize("kind", KINDS)
def test_spoiled_files_are_read_or_refused(kind, tmp_path):
    refused = 0
    for seed in range(KINDS[kind]):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        refused += fuzz.case(kind, seed, folder)
    # A journal that is damaged is begun anew, as a rule.
    assert refused or kind == "journal"


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_not_spoiled_are_read(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz.mutations, "spoiled", lambda name, data, draw: data)
    monkeypatch.setattr(
        fuzz, "KINDS", {kind: fuzz.replace(fuzz.KINDS[kind], seal=None)}
    )
    assert not fuzz.case(kind, 2, tmp_path)


@pytest.mark.parametrize("fault", ["traceback", "two files", "no file named", "slow"])
def test_what_should_not_be_is_seen(fault, tmp_path, monkeypatch):
    """Were the driver blind, it would find nothing."""

    def read(rng):
        if fault == "traceback":
            raise KeyError("x")
        if fault == "two files":
            fuzz.Path("../../elsewhere").write_text("x")
        if fault == "no file named":
            raise fuzz.UserError("something is wrong")
        while fault == "slow":
            pass

    monkeypatch.setattr(fuzz, "SECONDS", 1)
    monkeypatch.setattr(
        fuzz, "KINDS", {"svhn": fuzz.replace(fuzz.KINDS["svhn"], read=read)}
    )
    with pytest.raises(fuzz.Fault):
        fuzz.case("svhn", 0, tmp_path)
