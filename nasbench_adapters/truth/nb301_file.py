"""Imports NAS-Bench-301's ensemble of boosted trees (Zela et al., ICLR 2022, arXiv 2008.09777). No torch here.

What is released is a folder `xgb_v1.0` of members, each with a `surrogate_model.model`:
a pickle of an XGBoost booster of 2020. Today's XGBoost refuses it (3.2 reads none made
before 1.6), and the package `nasbench301` asks for Python,
torch and ConfigSpace of that year. So nothing of either is used: the pickle is read by
an unpickler that knows three names, the booster's bytes by what XGBoost's sources say
of them, and its trees become a :class:`Surrogate` of ours.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, read_text
from archselect.nasbench_adapters.safe_pickle import (
    check_containers,
    encode,
    limit_calls,
    raising_user_errors,
    read_pickle_bytes,
)
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import nb301_encoding
from archselect.nasbench_adapters.truth.features import rows_of
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import MEASURED, PREDICTED, TruthTable
from archselect.nasbench_adapters.truth.trees import LEAF, Trees

SPACE = "darts"
MODEL = "surrogate_model.model"
COLUMN = ("cifar10", "valid", 100)
"""What the ensemble was fitted on: validation accuracy after 100 epochs on CIFAR-10."""
ORIGIN = "NAS-Bench-301's XGBoost ensemble (Zela et al., ICLR 2022)"
LICENCE = "Apache-2.0 (released models)"
COMPARED = 1_000
"""Architectures drawn from the space, whose predictions stand in for a table: ranks are
among them.
"""
NEEDS = (
    "the unpacked folder xgb_v1.0 of the authors' nasbench301_models_v1.0.zip (figshare), with a "
    f"{MODEL} in each member's folder; neither the package nasbench301 nor xgboost is needed"
)

_HEADER = b"CONFIG-offset:"
_TREES, _TREE, _NODE, _STATISTICS, _GLOBAL = 160, 148, 20, 16, 136
"""Bytes of the structures of XGBoost's binary form."""
_DELETED = 0xFFFFFFFF
_DEFAULT_LEFT = 1 << 31


def import_folder(folder: Path, name: str) -> Surrogate:
    """The surrogate of a released ensemble: the mean of its members, without the noise that they may be asked for.

    Raises UserError if the folder holds no such model, the models are of another kind
    (predictions of run time, graph networks) or of another encoding, or a file is
    damaged or asks for code to be run.
    """
    paths = sorted(folder.rglob(MODEL))
    if not paths:
        raise UserError(f"{folder} holds no {MODEL}: name {NEEDS}")
    space = get_space(SPACE)
    wanted = len(nb301_encoding.feature_names(space))
    bases, trees = [], []
    for path in paths:
        _check_kind(path.parent / "model_config.json")
        base, columns, own = read_booster(path)
        if columns != wanted:
            raise UserError(
                f"{path} was fitted on {columns} features, not on the {wanted} of NAS-Bench-301's cells"
            )
        bases.append(base)
        trees += [{**tree, "value": tree["value"] / len(paths)} for tree in own]
    ensemble = Trees.of(trees)
    generator = np.random.default_rng(0)
    rows = np.unique(
        rows_of(space, [space.sample(generator) for _ in range(COMPARED)]), axis=0
    )
    predicted = np.mean(bases) + ensemble.predict(nb301_encoding.features(space, rows))
    if not np.all((predicted >= 0) & (predicted <= 100)):
        raise UserError(
            f"{folder} predicts {predicted.min():.4g} to {predicted.max():.4g}, which are no accuracies"
        )
    table = TruthTable.build(
        name=f"{name}, cells drawn uniformly",
        space=SPACE,
        choices=rows,
        columns={COLUMN: (["mean of the ensemble"], predicted[:, None])},
        origin=f"predicted by {ORIGIN}",
        licence=LICENCE,
        provenance=PREDICTED,
    )
    return Surrogate.build(
        name=name,
        encoding="nasbench301",
        intercept=float(np.mean(bases)),
        weights=np.zeros(wanted),
        trees=ensemble,
        table=table,
        origin=f"{ORIGIN}, mean of {len(paths)} members, from {folder.name}",
        licence=LICENCE,
        agreement=None,
        details={"members": len(paths), "trees": len(trees)},
        provenance=MEASURED,
    )


def read_booster(path: Path) -> tuple[float, int, list[dict[str, np.ndarray]]]:
    """What a pickled booster of regression trees starts from, how many features it has, and its trees.

    A tree is a mapping for :meth:`Trees.of`. Raises UserError if the file is damaged,
    of another kind, or asks for code to be run.
    """
    with raising_user_errors(path):
        packed = read_pickle_bytes(path)
        check_containers(packed)
        with limit_calls(len(packed)):
            state = _Unpickler(io.BytesIO(packed)).load()
        if not isinstance(state, _Booster) or not isinstance(
            state.handle, bytes | bytearray
        ):
            raise UserError(f"{path} is no pickle of an XGBoost booster; name {NEEDS}")
        content = bytes(state.handle)
        if content.startswith(b"{") and not content.startswith(b'{"'):
            raise UserError(
                f"{path} was written by XGBoost 1.6 or later, whose form is not read; name {NEEDS}"
            )
        if content.startswith(_HEADER):
            (size,) = struct.unpack_from("<q", content, len(_HEADER))
            content = content[len(_HEADER) + 8 :][:size]
        found = (
            _of_json(json.loads(content))
            if content.startswith(b"{")
            else _of_binary(content.removeprefix(b"binf"))
        )
        if Trees.of(found[2]).feature.max(initial=LEAF) >= found[1]:
            raise ValueError("a tree asks about a feature that there is not")
        return found


class _Booster:
    """Stands in for `xgboost.core.Booster`: of its state only the bytes of the model count."""

    handle: object = None

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.handle = state.get("handle")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A stand-in or a plain container.

        Raises UnpicklingError for any other name.
        """
        known = {
            ("xgboost.core", "Booster"): _Booster,
            ("builtins", "bytearray"): _bytearray,
            ("_codecs", "encode"): encode,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]


def _bytearray(*content: bytes | str) -> bytearray:
    """The bytes of a booster; Python 2 wrote them as a text and its encoding.

    A number is none: it could be any.
    """
    if not all(isinstance(part, bytes | str) for part in content):
        raise pickle.UnpicklingError("it makes a bytearray of a number")
    return bytearray(*content)


def _check_kind(path: Path) -> None:
    """Refuses what is said to be another model, by the file beside it; released members have one."""
    try:
        kind = json.loads(read_text(path))["model"] if path.is_file() else "xgb"
    except (OSError, *DAMAGED) as error:
        raise UserError(
            f"{path} is damaged ({error}): get it from its authors again"
        ) from error
    if kind != "xgb":
        what = (
            "it predicts run time, not accuracy"
            if str(kind).endswith("_time")
            else "only the ensemble xgb is read"
        )
        raise UserError(f"{path.parent} holds a model '{kind}': {what}; name {NEEDS}")


def _of_json(
    content: Mapping[str, Any],
) -> tuple[float, int, list[dict[str, np.ndarray]]]:
    """XGBoost's documented form, which its pickles hold from 1.3 to 1.5."""
    learner = content["Model"]["learner"]
    booster = learner["gradient_booster"]
    _check_booster(str(booster["name"]), str(learner["objective"]["name"]))
    trees = []
    for tree in booster["model"]["trees"]:
        left = np.array(tree["left_children"])
        threshold = np.array(tree["split_conditions"], dtype=np.float32)
        trees.append(
            _tree(
                left,
                np.array(tree["right_children"]),
                np.array(tree["split_indices"]),
                threshold,
            )
        )
    parameters = learner["learner_model_param"]
    return float(parameters["base_score"]), int(parameters["num_feature"]), trees


def _of_binary(content: bytes) -> tuple[float, int, list[dict[str, np.ndarray]]]:
    """XGBoost's own form until 1.2: structures one after the other, each of a fixed size."""
    base, columns = struct.unpack_from("<fI", content)
    at = _GLOBAL
    names = []
    for _ in range(2):
        (size,) = struct.unpack_from("<Q", content, at)
        names.append(content[at + 8 : at + 8 + size].decode("ascii"))
        at += 8 + size
    _check_booster(names[1], names[0])
    (count,) = struct.unpack_from("<i", content, at)
    if not 0 <= count <= len(content) // _TREE:
        raise ValueError(f"{count} trees in {len(content)} bytes")
    at += _TREES
    trees = []
    for _ in range(count):
        _, size = struct.unpack_from("<2i", content, at)
        if size < 1:
            raise ValueError("a tree without nodes")
        at += _TREE
        kind = np.dtype(
            [
                ("parent", "<i4"),
                ("left", "<i4"),
                ("right", "<i4"),
                ("split", "<u4"),
                ("value", "<f4"),
            ]
        )
        nodes = np.frombuffer(content, kind, size, at)
        at += size * (_NODE + _STATISTICS)
        left = np.where(nodes["split"] == _DELETED, -1, nodes["left"])
        trees.append(
            _tree(
                left,
                nodes["right"],
                nodes["split"] & (_DEFAULT_LEFT - 1),
                nodes["value"],
            )
        )
    return float(base), int(columns), trees


def _tree(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, value: np.ndarray
) -> dict[str, np.ndarray]:
    """XGBoost goes left below its threshold, in single precision: so at most the number just below it."""
    leaf = left == -1
    below = np.nextafter(value.astype(np.float32), np.float32(-np.inf))
    return {
        "feature": np.where(leaf, LEAF, feature.astype(np.int64)),
        "threshold": below.astype(np.float64),
        "left": left,
        "right": right,
        "value": np.where(leaf, value.astype(np.float64), 0.0),
    }


def _check_booster(booster: str, objective: str) -> None:
    if booster != "gbtree" or objective not in ("reg:squarederror", "reg:linear"):
        raise UserError(
            f"a booster '{booster}' with objective '{objective}' is none of NAS-Bench-301's: name {NEEDS}"
        )
