"""Import of NAS-Bench-301's ensemble of boosted trees.

The benchmark is by Zela et al. (ICLR 2022, arXiv 2008.09777). They released a folder
`xgb_v1.0` of members, each with a `surrogate_model.model`: a pickle of an XGBoost
booster of 2020. The package `nasbench301` needs Python, torch and ConfigSpace of that
year, so this module uses neither that package nor XGBoost. :mod:`.xgboost_file` reads
the boosters, and their trees become a :class:`.surrogate.Surrogate`. This file does not
import torch.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, read_text
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import nb301_encoding
from archselect.nasbench_adapters.truth.choices import canonical_rows
from archselect.nasbench_adapters.truth.ground_truth import (
    MEASURED,
    PREDICTED,
    ColumnKey,
)
from archselect.nasbench_adapters.truth.surrogate import LineAndTrees, Surrogate
from archselect.nasbench_adapters.truth.table import ColumnData, TruthTable
from archselect.nasbench_adapters.truth.trees import Trees
from archselect.nasbench_adapters.truth.xgboost_file import Booster, Tree, read_booster

SPACE = "darts"
MODEL = "surrogate_model.model"
COLUMN = ColumnKey("cifar10", "valid", 100)
"""The column that it predicts: validation accuracy after 100 epochs on CIFAR-10."""
ORIGIN = "NAS-Bench-301's XGBoost ensemble (Zela et al., ICLR 2022)"
LICENCE = "Apache-2.0 (released models)"
COMPARED = 1_000
"""Number of random architectures whose predictions replace a table.

They are the population for ranks.
"""
NEEDS = (
    "the unpacked folder xgb_v1.0 of the authors' nasbench301_models_v1.0.zip (figshare), with a "
    f"{MODEL} in each member's folder; neither the package nasbench301 nor xgboost is needed"
)


def import_folder(folder: Path, name: str) -> Surrogate:
    """Return the surrogate of a released ensemble, which predicts its members' mean.

    It does not add the members' noise to a prediction.

    Raises UserError if the folder has no such model, if the models are of another kind
    (predictions of run time, graph networks) or have another encoding, or if a file is
    damaged or asks for code to be run.
    """
    paths = sorted(folder.rglob(MODEL))
    if not paths:
        raise UserError(f"{folder} holds no {MODEL}: name {NEEDS}")
    space = get_space(SPACE)
    columns = len(nb301_encoding.feature_names(space))
    members = [_read_member(path, columns) for path in paths]
    trees: list[Tree] = []
    for member in members:
        trees += _weighted_trees(member, len(members))
    model = LineAndTrees(
        intercept=float(np.mean([member.base for member in members])),
        weights=np.zeros(columns),
        trees=Trees.join(trees),
    )
    return Surrogate.build(
        name=name,
        encoding="nasbench301",
        model=model,
        table=_predicted_table(folder, name, space, model),
        origin=f"{ORIGIN}, mean of {len(paths)} members, from {folder.name}",
        licence=LICENCE,
        agreement=None,
        details={"members": len(paths), "trees": len(trees)},
        provenance=MEASURED,
    )


def _read_member(path: Path, columns: int) -> Booster:
    """Return a member of the ensemble.

    Raises UserError if it is of another kind, or was fitted on other features.
    """
    _check_kind(path.parent / "model_config.json")
    booster = read_booster(path, NEEDS)
    if booster.columns != columns:
        raise UserError(
            f"{path} was fitted on {booster.columns} features, not on the {columns} of NAS-Bench-301's cells"
        )
    return booster


def _weighted_trees(member: Booster, members: int) -> list[Tree]:
    """Return the trees of a member, scaled so that the sum over members is the mean."""
    return [{**tree, "value": tree["value"] / members} for tree in member.trees]


def _predicted_table(
    folder: Path, name: str, space: SearchSpace, model: LineAndTrees
) -> TruthTable:
    """Return the predictions for random architectures, as a table.

    Raises UserError if they cannot be accuracies.
    """
    generator = np.random.default_rng(0)
    drawn = [space.sample(generator) for _ in range(COMPARED)]
    rows = np.unique(canonical_rows(space, drawn), axis=0)
    predicted = model.predict(nb301_encoding.features(space, rows))
    if not np.all((predicted >= 0) & (predicted <= 100)):
        raise UserError(
            f"{folder} predicts {predicted.min():.4g} to {predicted.max():.4g}, which cannot be accuracies"
        )
    return TruthTable.build(
        name=f"{name}, cells drawn uniformly",
        space=SPACE,
        choices=rows,
        columns={COLUMN: ColumnData(["mean of the ensemble"], predicted[:, None])},
        origin=f"predicted by {ORIGIN}",
        licence=LICENCE,
        provenance=PREDICTED,
    )


def _check_kind(path: Path) -> None:
    """Raise UserError if the description beside a model shows another kind of model.

    Released members have such a description.
    """
    try:
        kind = json.loads(read_text(path))["model"] if path.is_file() else "xgb"
    except (OSError, *DAMAGED) as error:
        raise UserError(
            f"{path} is damaged ({error}): get it from its authors again"
        ) from error
    if kind == "xgb":
        return
    reason = "archselect reads only the ensemble xgb"
    if str(kind).endswith("_time"):
        reason = "it predicts run time, not accuracy"
    raise UserError(f"{path.parent} holds a model '{kind}': {reason}; name {NEEDS}")
