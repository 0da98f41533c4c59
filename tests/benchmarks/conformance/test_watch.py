"""What the watch on a selector's files calls harmless."""

import os
import sys
from pathlib import Path

import pytest
import torch

from archselect.benchmarks.conformance.watch import SelectorWatch
from archselect.nasbench_adapters.truth import builtin_path


def files_noted(path: Path, flags: int = os.O_RDONLY) -> list[str]:
    """Return what is noted of files while one is opened."""
    watch = SelectorWatch(torch.device("cpu"))
    with watch.watching():
        os.close(os.open(path, flags))
    return watch.notes["files"]


def test_the_built_in_truth_is_noted_wherever_it_is_installed(monkeypatch):
    path = builtin_path("nb201-digits")
    assert files_noted(path)
    monkeypatch.setattr(sys, "prefix", str(path.parent))
    assert files_noted(path)


@pytest.mark.parametrize("name", ["table.npz", "weights.json", "cells.csv"])
def test_an_installed_data_file_is_noted(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    path = tmp_path / name
    path.write_text("1")
    assert files_noted(path)


@pytest.mark.parametrize(
    "name", ["module.py", "module.so", "package-1.0.dist-info/METADATA"]
)
def test_what_an_import_reads_is_harmless(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("")
    assert not files_noted(path)
    assert files_noted(path, os.O_WRONLY)
