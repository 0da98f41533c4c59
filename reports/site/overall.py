"""Overall ranks: methods that several landscapes share, whatever the study.

Mean ranks need every method on every landscape. Studies differ in their methods, so
there is a ranking for each set of methods that enough landscapes have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from archselect.benchmarks.store.facts import content_id
from archselect.reports.figures.canvas import Figure
from archselect.reports.figures.ranking import ranking_figures
from archselect.reports.results.blocks import MethodBlock, find_blocks
from archselect.reports.results.results import Group, Results
from archselect.reports.site.boards import saw_truth
from archselect.reports.site.folders import StudyFolder
from archselect.reports.statistics.ranking import LEAST_LANDSCAPES, LEAST_METHODS
from archselect.reports.tables.ranking import ranking_of_blocks
from archselect.reports.tables.table import Table, join_words

MOST_RANKINGS = 4
"""Rankings that the site shows: those that cover the most accuracies."""


@dataclass(frozen=True)
class StudyBlock:
    """A landscape of one study, without the study's records.

    Attributes:
        block: the accuracies; its title names the study.
        runs: the ids of each method's runs.
        settings: a hash of each method's settings.
    """

    block: MethodBlock
    runs: dict[str, frozenset[str]]
    settings: dict[str, str]

    @property
    def methods(self) -> frozenset[str]:
        """The methods that have an accuracy."""
        return frozenset(self.runs)

    def runs_of(self, methods: Iterable[str]) -> set[tuple[str, str]]:
        """Return the landscape with each run of some methods."""
        landscape = self.block.landscape
        pairs: set[tuple[str, str]] = set()
        for method in methods:
            pairs |= {(landscape, run) for run in self.runs[method]}
        return pairs


@dataclass(frozen=True)
class OverallRanking:
    """A ranking over landscapes of several studies, with its diagram."""

    table: Table
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Shared:
    """Methods, and landscapes that have them all, each run once.

    Attributes:
        methods: by name.
        blocks: the landscapes.
        repeated: titles of landscapes that are left out, for other blocks have some of
            their runs.
    """

    methods: frozenset[str]
    blocks: tuple[StudyBlock, ...]
    repeated: tuple[str, ...]

    @property
    def size(self) -> int:
        """The number of accuracies that are ranked."""
        return len(self.methods) * len(self.blocks)


def study_blocks(study: StudyFolder, results: Results) -> list[StudyBlock]:
    """Return a study's landscapes for overall ranks.

    Methods that saw what judges them are left out.
    """
    blocks = []
    for block in find_blocks(results):
        groups = {
            method: group
            for method, group in block.groups.items()
            if not saw_truth(group)
        }
        bare = MethodBlock(
            title=f"{study.name} {block.title}",
            accuracies={method: block.accuracies[method] for method in groups},
            random=block.random,
            landscape=block.landscape,
        )
        runs = {}
        settings = {}
        for method, group in groups.items():
            runs[method] = frozenset(record.id for record in group.records)
            settings[method] = _hash_settings(group)
        blocks.append(StudyBlock(bare, runs, settings))
    return blocks


def _hash_settings(group: Group) -> str:
    """Return a hash of what a method is, apart from space and data."""
    inputs = group.inputs
    reward = inputs.reward
    content = [
        inputs.selector.name,
        inputs.selector.settings,
        inputs.selector.source,
        inputs.supernet.recipe,
        inputs.supernet.settings,
        inputs.supernet.source,
        None if reward is None else [reward.source, reward.trial, reward.queries],
    ]
    return content_id(content)


def overall_rankings(blocks: Sequence[StudyBlock]) -> list[OverallRanking]:
    """Return the rankings of methods that enough landscapes share, the largest first.

    Each has three methods and three landscapes or more, so that it can be tested. There
    are :data:`MOST_RANKINGS` at most.
    """
    shared = find_shared(blocks)[:MOST_RANKINGS]
    return [_rank(one, number) for number, one in enumerate(shared, start=1)]


def find_shared(blocks: Sequence[StudyBlock]) -> list[Shared]:
    """Return the sets of methods that any two landscapes share, with all that do.

    A set is there once, as large as its landscapes allow, if it can be tested. Those
    that cover the most accuracies come first.
    """
    candidates: dict[frozenset[str], None] = {}
    for block in blocks:
        for other in blocks:
            methods = block.methods & other.methods
            if len(methods) >= LEAST_METHODS:
                candidates[methods] = None
    found: dict[frozenset[str], Shared] = {}
    for methods in candidates:
        one = _share(blocks, methods)
        if len(one.blocks) >= LEAST_LANDSCAPES:
            found.setdefault(one.methods, one)
    return sorted(found.values(), key=lambda one: -one.size)


def _share(blocks: Iterable[StudyBlock], methods: frozenset[str]) -> Shared:
    """Return the landscapes that have all methods, each run once."""
    counted: set[tuple[str, str]] = set()
    kept = []
    repeated = []
    for block in blocks:
        if not methods <= block.methods:
            continue
        runs = block.runs_of(methods)
        if runs & counted:
            repeated.append(block.block.title)
        else:
            kept.append(block)
            counted |= runs
    common = frozenset.intersection(*(block.methods for block in kept))
    return Shared(common, tuple(kept), tuple(repeated))


def _rank(shared: Shared, number: int) -> OverallRanking:
    blocks = []
    for one in shared.blocks:
        accuracies = {
            method: accuracy
            for method, accuracy in one.block.accuracies.items()
            if method in shared.methods
        }
        blocks.append(replace(one.block, accuracies=accuracies))
    table = ranking_of_blocks(blocks, _notes(shared))
    name = f"ranking-{number}"
    title = f"{len(shared.methods)} methods on {len(blocks)} landscapes"
    table = replace(table, name=name, title=title)
    figures = ranking_figures(table, f"critical-difference-{number}")
    return OverallRanking(table, tuple(figures))


def _notes(shared: Shared) -> list[str]:
    """Return which methods differ between studies, and which landscapes come again."""
    notes = []
    differing = []
    for method in sorted(shared.methods):
        settings = {block.settings[method] for block in shared.blocks}
        if len(settings) > 1:
            differing.append(method)
    if differing:
        names = join_words(differing, most=12)
        notes.append(
            f"Methods are taken together by name. Their settings are not the same in all of these studies: {names}."
        )
    if shared.repeated:
        titles = join_words(shared.repeated, most=12)
        notes.append(f"Left out, since runs of theirs are counted already: {titles}.")
    return notes
