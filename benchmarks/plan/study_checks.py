"""Check a study as a whole: every mistake shows before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product

from archselect.benchmarks.plan.parts import DataPart, SelectorPart, SpacePart
from archselect.benchmarks.plan.rewards import (
    check_rewards,
    check_spaces_of_supernets,
    check_supernets_of_selectors,
)
from archselect.benchmarks.plan.study import TABLES_WITHOUT_ACCURACY, Study
from archselect.benchmarks.plan.study_files import parse_study
from archselect.nasbench_adapters.costs.opening import parse_cost
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.limits import MOST_RUNS
from archselect.nasbench_adapters.space import build_skeleton
from archselect.nasbench_adapters.spaces import get_space


def check_study_parts(study: Study) -> None:
    """Raise UserError, with all faults, if parts of a study are wrong or do not match.

    Builds every part once.
    """
    _check_number_of_runs(study)
    faults = Faults()
    note_faults_of_parts(study.spaces, study.data, study.selectors, faults)
    checks = (
        _check_supernets,
        _check_selectors,
        check_supernets_of_selectors,
        check_spaces_of_supernets,
        check_rewards,
        _check_activations,
        _check_activations_on_spaces,
        _check_accuracies,
        _check_costs,
        _check_references,
        _check_tables,
        _check_repetitions,
    )
    for check in checks:
        with faults.collect():
            check(study)
    faults.raise_any()


def note_faults_of_parts(
    spaces: Sequence[SpacePart],
    data: Sequence[DataPart],
    selectors: Sequence[SelectorPart],
    faults: Faults,
) -> None:
    """Build each space, selector and protocol once; add their faults."""
    usable = []
    for space in spaces:
        with faults.collect():
            known = get_space(space.name)
            if known.has_supernet:
                build_skeleton(known, space.skeleton)
                usable.append(space)
            else:
                _check_without_networks(space, data)
    for selector in selectors:
        with faults.collect():
            selector.build()
    for space, part in product(usable, data):
        for train in part.train:
            with faults.collect():
                train.resolve(space.name)


def _check_without_networks(space: SpacePart, data: Sequence[DataPart]) -> None:
    """Raise UserError for a skeleton or trainings on a space without image networks."""
    if space.skeleton:
        raise UserError(f"space {space.name} has no networks: remove its 'skeleton'")
    if any(part.train for part in data):
        raise UserError(
            f"space {space.name} has no image networks to train: replace 'train' of the data by a 'truth'"
        )


def _check_number_of_runs(study: Study) -> None:
    """Raise UserError for more runs or final trainings than one study can have."""
    runs = len(study.pairs())
    for dimension in (
        study.seeds.supernet,
        study.seeds.selection,
        study.spaces,
        study.data,
    ):
        runs *= len(dimension)
    trainings_per_run = 0
    for data in study.data:
        for train in data.train:
            trainings_per_run += len(train.seeds)
    counts = {"runs": runs, "final trainings": runs * trainings_per_run}
    for kind, count in counts.items():
        if count > MOST_RUNS:
            raise UserError(
                f"the study has up to {count:,} {kind}, more than {MOST_RUNS:,}: split it into several studies, each "
                "with some of the seeds, and merge them with 'archselect merge'"
            )


def _check_supernets(study: Study) -> None:
    """Raise UserError for a supernet on an unknown space or data set.

    Also for a trace of an untrained supernet, and for a repeated label.
    """
    faults = Faults()
    titles = [space.title for space in study.spaces]
    names = [data.name for data in study.data]
    labels = [supernet.label for supernet in study.supernets]
    for supernet in study.supernets:
        label = supernet.label
        for name in supernet.spaces or []:
            if name not in titles:
                faults.add(unknown(f"space of supernet {label}", name, titles))
        for name in supernet.data or []:
            if name not in names:
                faults.add(unknown(f"data set of supernet {label}", name, names))
        if supernet.trace and not supernet.build().trains:
            faults.add(UserError(f"supernet {label} is not trained: remove 'trace'"))
    with faults.collect():
        _check_distinct("supernets", labels)
    faults.raise_any()


def _check_selectors(study: Study) -> None:
    """Raise UserError for an unknown supernet of a selector, or a repeated label."""
    faults = Faults()
    labels = [supernet.label for supernet in study.supernets]
    for selector in study.selectors:
        for label in selector.on or []:
            if label not in labels:
                kind = f"supernet of selector {selector.name}"
                faults.add(unknown(kind, label, labels))
    with faults.collect():
        _check_names_of_classes(study.selectors)
        _check_distinct("selectors", study.labels)
    faults.raise_any()


def _check_activations(study: Study) -> None:
    """Raise UserError if a selector needs probabilities and its supernet has none."""
    faults = Faults()
    for pair in study.pairs():
        if pair.supernet is None:
            continue
        reads_probabilities = pair.selector.build().needs_probabilities
        activation = pair.supernet.build().build_activation()
        if reads_probabilities and not activation.sums_to_one:
            fix = 'activation = "softmax"'
            if activation.weighs_edges:
                fix = "edge_normalised = false"
            faults.add(
                UserError(
                    f"selector {pair.label} needs probabilities, but supernet {pair.supernet.label} with "
                    f"activation {activation.name!r} has none: set {fix}, or give the "
                    "selector other supernets with 'on'"
                )
            )
    faults.raise_any()


def _check_activations_on_spaces(study: Study) -> None:
    """Raise UserError for a supernet of a space that its activation does not fit."""
    faults = Faults()
    for supernet, space in product(study.supernets, study.spaces):
        is_made = any(supernet.is_trained_on(space, data) for data in study.data)
        known = get_space(space.name)
        if is_made and known.has_supernet:
            with faults.collect():
                skeleton = build_skeleton(known, space.skeleton)
                supernet.build().build_activation().check(known, skeleton)
    faults.raise_any()


def _check_accuracies(study: Study) -> None:
    """Raise UserError if tables need accuracies and the data name no source of them."""
    faults = Faults()
    needed = bool(set(study.tables) - set(TABLES_WITHOUT_ACCURACY))
    for place, data in enumerate(study.data):
        if needed and not data.truth and not data.train and not data.has_report:
            faults.add(
                UserError(
                    f"data.{place}: needs 'truth' (ground truths to look up accuracies), or 'train' (a training "
                    f"protocol); only the tables {', '.join(TABLES_WITHOUT_ACCURACY)} need neither"
                )
            )
    faults.raise_any()


def _check_costs(study: Study) -> None:
    """Raise UserError for a repeated name of a cost, or a text that is no cost."""
    faults = Faults()
    with faults.collect():
        _check_distinct("costs", [cost.name for cost in study.costs])
    for cost in study.costs:
        with faults.collect():
            parse_cost(cost.of)
    faults.raise_any()


def _check_references(study: Study) -> None:
    """Raise UserError for a reference to a selector or study that does not exist."""
    faults = Faults()
    if study.variant_of is not None:
        with faults.collect():
            parse_study(study.variant_of)
    if study.reference is not None and not study.references:
        titles = [selector.title for selector in study.selectors]
        faults.add(unknown("selector of 'reference'", study.reference, titles))
    labels = study.labels
    for published in study.reproduces:
        if published.selector not in labels:
            faults.add(unknown("selector of 'reproduces'", published.selector, labels))
    faults.raise_any()


def _check_tables(study: Study) -> None:
    """Raise UserError for a table that would be empty."""
    faults = Faults()
    if "reproduction" in study.tables and not study.reproduces:
        faults.add(
            UserError(
                "tables: 'reproduction' needs [[reproduces]], which names published numbers"
            )
        )
    supernets = [pair.supernet for pair in study.pairs() if pair.supernet]
    traced = [supernet for supernet in supernets if supernet.trace]
    if "wiring" in study.tables and not traced:
        faults.add(
            UserError(
                "tables: 'wiring' needs a supernet with 'trace = true' that a selector reads"
            )
        )
    learns = any(supernet.build().learns_alphas for supernet in traced)
    if "alphas" in study.tables and not learns:
        faults.add(
            UserError(
                "tables: 'alphas' needs a supernet that learns alphas, has 'trace = true', and that a selector reads"
            )
        )
    faults.raise_any()


def _check_repetitions(study: Study) -> None:
    """Raise UserError for a repeated space, data set, seed or training."""
    faults = Faults()
    searched = []
    for data in study.data:
        settings = data.model_dump(exclude={"truth", "train"})
        searched.append(str(settings))
    once: dict[str, Sequence[object]] = {
        "spaces": [str(space) for space in study.spaces],
        "data": searched,
        "seeds.supernet": study.seeds.supernet,
        "seeds.selection": study.seeds.selection,
    }
    for key, values in once.items():
        with faults.collect():
            _check_distinct(key, values)
    for data in study.data:
        with faults.collect():
            _check_distinct("train", [str(train) for train in data.train])
        for train in data.train:
            with faults.collect():
                _check_distinct("train.seeds", train.seeds)
    faults.raise_any()


def _check_distinct(key: str, values: Iterable[object]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise UserError(
                f"{key}: {value!r} occurs twice: give each a different 'label' or value"
            )


def _check_names_of_classes(selectors: Sequence[SelectorPart]) -> None:
    """Raise UserError if classes in two files share a name and their supernets."""
    first: dict[tuple[str, str], SelectorPart] = {}
    for selector in selectors:
        if ".py" not in selector.name:
            continue
        key = (selector.title, str(selector.on))
        other = first.setdefault(key, selector)
        if other.name != selector.name:
            raise UserError(
                f"selectors: {other.name} and {selector.name} are both named {selector.title!r}: give the classes "
                "different names, or each a 'label' in the study"
            )
