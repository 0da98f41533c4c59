"""Landscapes: statistics of ground truths and final trainings over a whole space."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from archselect.benchmarks.plan.jobs import TrainingPlan
from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.store.facts import content_id
from archselect.benchmarks.store.records import (
    Accuracy,
    Landscape,
    Trained,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.parameters import operation_parameters
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth
from archselect.nasbench_adapters.truth.landscape import landscape


def landscape_id(truth: GroundTruth, part: TruthPart) -> str:
    """Return the id of a landscape: a hash of the truth's content and the column."""
    return content_id(
        [truth.checksum, truth.name, part.dataset, part.split, part.epochs]
    )


def trained_accuracy(plan: TrainingPlan, trained: Sequence[Trained]) -> Accuracy:
    """Return the accuracy of one architecture by a plan's trainings, a trial per seed.

    Each trial is the accuracy after the last epoch.
    """
    trials = [training.last_accuracy for training in trained]
    return Accuracy(
        landscape=plan.id,
        source="trained",
        trials=trials,
        trial_seeds=[str(training.inputs.seed) for training in trained],
        mean=fmean(trials),
        rank=None,
        scored=[],
    )


def trained_landscape(plan: TrainingPlan) -> Landscape:
    """Return the landscape of a plan's trainings, without statistics of the space."""
    overrides = plan.protocol.overrides.items()
    settings = ", ".join(f"{key}={value}" for key, value in overrides)
    title = f"trained: {plan.protocol.protocol.name}"
    return Landscape(
        id=plan.id,
        truth=f"{title} ({settings})" if settings else title,
        space=plan.space,
        dataset=plan.described.name,
        split="test",
        epochs=plan.protocol.settings.epochs,
        origin="final trainings by archselect, test accuracy after the last epoch",
        checksum=plan.described.checksum,
        architectures=0,
        trials=len(plan.seeds),
        quantiles=[],
        mean=None,
        std=None,
        optimum=None,
        optimum_architecture=None,
        oracle_best=[],
        oracle_mean=[],
        noise_std=None,
        ceiling_single=None,
        ceiling_half=None,
    )


def describe_truths(
    parts: Sequence[TruthPart],
    spaces: Sequence[str],
) -> list[Landscape]:
    """Return the landscape of each ground truth of a study.

    Args:
        parts: columns of the ground truths.
        spaces: names of the study's spaces.

    Raises:
        UserError: a ground truth or column is missing; a truth fits none or several of
            the spaces; or a table lacks architectures that could be selected, in a
            space for which whole tables exist.
    """
    return [_read_landscape(part, spaces) for part in parts]


def _read_landscape(part: TruthPart, spaces: Sequence[str]) -> Landscape:
    opened = open_truth(part.table)
    truth = opened.within(_find_space(opened, part.table, spaces))
    numbers = landscape(truth, part.dataset, part.split, part.epochs)
    _check_completeness(truth, part, numbers.architectures)
    is_complete = numbers.architectures == truth.space.size
    parameters = []
    if truth.space.has_supernet:
        parameters = operation_parameters(truth.space)
    return Landscape(
        id=landscape_id(truth, part),
        truth=truth.name,
        space=truth.space.name,
        dataset=part.dataset,
        split=part.split,
        epochs=part.epochs,
        origin=truth.origin,
        checksum=truth.checksum,
        surrogate=truth.predicts,
        agreement=truth.agreement,
        provenance=truth.reference.provenance,
        space_size=None if is_complete else truth.space.size,
        operation_parameters=parameters,
        **vars(numbers),
    )


def _find_space(truth: GroundTruth, table: str, spaces: Sequence[str]) -> SearchSpace:
    """Return the only one of a study's spaces that a ground truth fits.

    Raises UserError if it fits none or several.
    """
    known = map(get_space, dict.fromkeys(spaces))
    fitting = [space for space in known if truth.covers(space)]
    if not fitting:
        raise UserError(
            f"truth '{table}' is of space {truth.space.name}, not of {', '.join(spaces)}"
        )
    if len(fitting) > 1:
        names = ", ".join(space.name for space in fitting)
        raise UserError(
            f"truth '{table}' fits several spaces ({names}): write a study for each of them"
        )
    return fitting[0]


def _check_completeness(
    truth: GroundTruth,
    part: TruthPart,
    architectures: int,
) -> None:
    """Raise UserError for an incomplete table of a space that has whole tables."""
    space = truth.space
    if truth.predicts or not space.whole_tables:
        return
    if architectures < space.size:
        raise UserError(
            f"truth '{part.table}' has {architectures:,} of {space.size:,} architectures of {space.name} "
            f"on {part.dataset}/{part.split} at {part.epochs} epochs: use a whole table, or fit a surrogate on it "
            "('archselect truth fit')"
        )
