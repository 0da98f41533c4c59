"""A reader of boosters pickled by XGBoost up to 1.5, without XGBoost or torch.

Current versions of XGBoost refuse such files (3.2 reads none from before 1.6). A
restricted unpickler, which knows three names, finds the booster's bytes. This module
then reads the trees, in the form defined in XGBoost's sources.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.safe_pickle import (
    check_containers,
    encode,
    limit_calls,
    raising_user_errors,
    read_pickle_bytes,
)
from archselect.nasbench_adapters.truth.trees import LEAF, Trees

_CONFIGURATION = b"CONFIG-offset:"
"""First bytes of a model that is followed by its configuration."""
_LEARNER_BYTES = 136
"""Bytes of the learner's parameters, before the names of objective and booster."""
_BOOSTER_BYTES = 160
"""Bytes of the booster's parameters; the first one is the number of trees."""
_TREE_BYTES = 148
"""Bytes of a tree's parameters, before its nodes."""
_NODE_BYTES = 20
_STATISTICS_BYTES = 16
"""Bytes of a node's statistics, after all nodes."""
_DELETED = 0xFFFFFFFF
"""Value of the feature of a pruned node."""
_DEFAULT_LEFT = 1 << 31
"""Bit of a node's feature that tells where missing values go."""
_NODE = np.dtype(
    [
        ("parent", "<i4"),
        ("left", "<i4"),
        ("right", "<i4"),
        ("split", "<u4"),
        ("value", "<f4"),
    ]
)
_OBJECTIVES = ("reg:squarederror", "reg:linear")

Tree = dict[str, np.ndarray]
"""The nodes of a tree, in the form for :meth:`.trees.Trees.join`."""


class Booster(NamedTuple):
    """A sum of regression trees.

    Attributes:
        base: number to which the trees are added.
        columns: number of features.
        trees: all trees.
    """

    base: float
    columns: int
    trees: list[Tree]


def read_booster(path: Path, needs: str) -> Booster:
    """Return a pickled booster of regression trees.

    Args:
        path: path of the file.
        needs: description of a valid file, for messages.

    Raises:
        UserError: if the file is damaged, of another kind, or asks for code to be run.
    """
    with raising_user_errors(path):
        packed = read_pickle_bytes(path)
        check_containers(packed)
        with limit_calls(len(packed)):
            state = _Unpickler(io.BytesIO(packed)).load()
        content = _model_bytes(path, state, needs)
        if content.startswith(b"{"):
            booster = _parse_json(json.loads(content), needs)
        else:
            booster = _parse_binary(content.removeprefix(b"binf"), needs)
        if Trees.join(booster.trees).feature.max(initial=LEAF) >= booster.columns:
            raise ValueError("a tree uses a feature that does not exist")
        return booster


def _model_bytes(path: Path, state: object, needs: str) -> bytes:
    """Return the bytes of the model in an unpickled booster.

    Raises UserError if it is not a booster, or a newer one.
    """
    if not isinstance(state, _BoosterState):
        raise UserError(f"{path} is not a pickle of an XGBoost booster; name {needs}")
    if not isinstance(state.handle, bytes | bytearray):
        raise UserError(f"{path} is not a pickle of an XGBoost booster; name {needs}")
    content = bytes(state.handle)
    if content.startswith(b"{") and not content.startswith(b'{"'):
        raise UserError(
            f"{path} has the form of XGBoost 1.6 or later, which archselect cannot read; name {needs}"
        )
    if content.startswith(_CONFIGURATION):
        start = len(_CONFIGURATION)
        (size,) = struct.unpack_from("<q", content, start)
        content = content[start + 8 :][:size]
    return content


class _BoosterState:
    """Stand-in for `xgboost.core.Booster`, which keeps only the bytes of the model."""

    handle: object = None

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.handle = state.get("handle")


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows three names, and refuses any other."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in or a plain container.

        Raises UnpicklingError for any other name.
        """
        known = {
            ("xgboost.core", "Booster"): _BoosterState,
            ("builtins", "bytearray"): _bytearray,
            ("_codecs", "encode"): encode,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]


def _bytearray(*content: bytes | str) -> bytearray:
    """Return the bytes of a booster; Python 2 wrote them as a text with its encoding.

    Raises UnpicklingError for a number, which would allocate that many bytes.
    """
    if not all(isinstance(part, bytes | str) for part in content):
        raise pickle.UnpicklingError("it makes a bytearray of a number")
    return bytearray(*content)


def _parse_json(content: Mapping[str, Any], needs: str) -> Booster:
    """Return a booster in XGBoost's documented form (versions 1.3 to 1.5)."""
    learner = content["Model"]["learner"]
    booster = learner["gradient_booster"]
    _check_booster(str(booster["name"]), str(learner["objective"]["name"]), needs)
    trees = []
    for tree in booster["model"]["trees"]:
        converted = _convert_tree(
            left=np.array(tree["left_children"]),
            right=np.array(tree["right_children"]),
            feature=np.array(tree["split_indices"]),
            value=np.array(tree["split_conditions"], dtype=np.float32),
        )
        trees.append(converted)
    parameters = learner["learner_model_param"]
    return Booster(
        float(parameters["base_score"]), int(parameters["num_feature"]), trees
    )


def _parse_binary(content: bytes, needs: str) -> Booster:
    """Return a booster in XGBoost's binary form (versions up to 1.2)."""
    base, columns = struct.unpack_from("<fI", content)
    objective, place = _read_name(content, _LEARNER_BYTES)
    booster, place = _read_name(content, place)
    _check_booster(booster, objective, needs)
    (count,) = struct.unpack_from("<i", content, place)
    if not 0 <= count <= len(content) // _TREE_BYTES:
        raise ValueError(f"{count} trees in {len(content)} bytes")
    place += _BOOSTER_BYTES
    trees = []
    for _ in range(count):
        _, size = struct.unpack_from("<2i", content, place)
        if size < 1:
            raise ValueError("a tree without nodes")
        place += _TREE_BYTES
        nodes = np.frombuffer(content, _NODE, size, place)
        trees.append(_convert_nodes(nodes))
        place += size * (_NODE_BYTES + _STATISTICS_BYTES)
    return Booster(float(base), int(columns), trees)


class _Name(NamedTuple):
    """A name in the binary form, and the index of the byte after it."""

    text: str
    end: int


def _read_name(content: bytes, place: int) -> _Name:
    """Return the name at an index: its length, then its letters."""
    (size,) = struct.unpack_from("<Q", content, place)
    start = place + 8
    return _Name(content[start : start + size].decode("ascii"), start + size)


def _convert_nodes(nodes: np.ndarray) -> Tree:
    """Return the tree of nodes in the binary form."""
    deleted = nodes["split"] == _DELETED
    return _convert_tree(
        left=np.where(deleted, -1, nodes["left"]),
        right=nodes["right"],
        feature=nodes["split"] & (_DEFAULT_LEFT - 1),
        value=nodes["value"],
    )


def _convert_tree(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, value: np.ndarray
) -> Tree:
    """Return an XGBoost tree in the form of :class:`.trees.Trees`.

    XGBoost goes left below its threshold, in single precision. Our trees go left at or
    below their threshold, which is the number just below XGBoost's.

    Args:
        left: left child of each node; -1 for a leaf.
        right: right child of each node.
        feature: feature of each node.
        value: threshold of each inner node, and value of each leaf.
    """
    leaf = left == -1
    below = np.nextafter(value.astype(np.float32), np.float32(-np.inf))
    return {
        "feature": np.where(leaf, LEAF, feature.astype(np.int64)),
        "threshold": below.astype(np.float64),
        "left": left,
        "right": right,
        "value": np.where(leaf, value.astype(np.float64), 0.0),
    }


def _check_booster(booster: str, objective: str, needs: str) -> None:
    """Raise UserError unless a booster is a sum of regression trees."""
    if booster != "gbtree" or objective not in _OBJECTIVES:
        raise UserError(
            f"a booster '{booster}' with objective '{objective}' does not belong to NAS-Bench-301: name {needs}"
        )
