"""Reads the pickled boosters that XGBoost wrote until 1.5, without XGBoost or torch.

Today's XGBoost refuses them (3.2 reads none from before 1.6). A restricted unpickler,
which knows three names, finds the booster's bytes; the trees are read from those by
what XGBoost's sources say of their form.
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
"""The first bytes of a model that is stored with its configuration behind it."""
_LEARNER_BYTES = 136
"""The parameters of the learner, before the names of objective and booster."""
_BOOSTER_BYTES = 160
"""The parameters of the booster, of which the first is the number of trees."""
_TREE_BYTES = 148
"""The parameters of a tree, before its nodes."""
_NODE_BYTES = 20
_STATISTICS_BYTES = 16
"""The statistics of a node, behind all nodes."""
_DELETED = 0xFFFFFFFF
"""Stands for the feature of a node that was pruned."""
_DEFAULT_LEFT = 1 << 31
"""The bit of a node's feature that says where missing values go."""
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
"""The nodes of a tree, as :meth:`.trees.Trees.join` takes them."""


class Booster(NamedTuple):
    """A sum of regression trees.

    Attributes:
        base: the number that the trees are added to.
        columns: how many features it asks about.
        trees: one after the other.
    """

    base: float
    columns: int
    trees: list[Tree]


def read_booster(path: Path, needs: str) -> Booster:
    """Return a pickled booster of regression trees.

    Args:
        path: the file.
        needs: in words what to name in place of a file that cannot be read.

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
            raise ValueError("a tree asks about a feature that there is not")
        return booster


def _model_bytes(path: Path, state: object, needs: str) -> bytes:
    """Return the bytes of the model in an unpickled booster.

    Raises UserError if it is no booster, or a newer one.
    """
    if not isinstance(state, _BoosterState):
        raise UserError(f"{path} is no pickle of an XGBoost booster; name {needs}")
    if not isinstance(state.handle, bytes | bytearray):
        raise UserError(f"{path} is no pickle of an XGBoost booster; name {needs}")
    content = bytes(state.handle)
    if content.startswith(b"{") and not content.startswith(b'{"'):
        raise UserError(
            f"{path} was written by XGBoost 1.6 or later, whose form is not read; name {needs}"
        )
    if content.startswith(_CONFIGURATION):
        start = len(_CONFIGURATION)
        (size,) = struct.unpack_from("<q", content, start)
        content = content[start + 8 :][:size]
    return content


class _BoosterState:
    """Stands in for `xgboost.core.Booster`: only the bytes of the model are kept."""

    handle: object = None

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.handle = state.get("handle")


class _Unpickler(pickle.Unpickler):
    """Knows three names, and refuses any other."""

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
    """Return the bytes of a booster, which Python 2 wrote as a text and its encoding.

    Raises UnpicklingError for a number, which would ask for so much memory.
    """
    if not all(isinstance(part, bytes | str) for part in content):
        raise pickle.UnpicklingError("it makes a bytearray of a number")
    return bytearray(*content)


def _parse_json(content: Mapping[str, Any], needs: str) -> Booster:
    """Return a booster in XGBoost's documented form, that of 1.3 to 1.5."""
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
    """Return a booster in XGBoost's own form until 1.2: structures of fixed sizes."""
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
    """A name in the binary form, and the place of the byte behind it."""

    text: str
    end: int


def _read_name(content: bytes, place: int) -> _Name:
    """Return the name at a place: its length, then its letters."""
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
    """Return a tree of XGBoost's as one of ours.

    XGBoost goes left below its threshold, in single precision; we go left at or below
    ours, which is the number just below it.

    Args:
        left: child of each node; -1 for a leaf.
        right: child of each node.
        feature: that each node asks about.
        value: threshold of each inner node, and what each leaf adds.
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
            f"a booster '{booster}' with objective '{objective}' is none of NAS-Bench-301's: name {needs}"
        )
