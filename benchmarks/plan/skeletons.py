"""Compare the skeleton of supernets with that of the networks in a ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archselect.benchmarks.plan.parts import SpacePart
from archselect.benchmarks.plan.study import Study
from archselect.nasbench_adapters.spaces import get_space, unrestricted_name
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth


def list_other_skeletons(study: Study) -> list[str]:
    """Return a sentence for each space and ground truth whose skeletons differ.

    There is no sentence for a ground truth that does not state its skeleton.
    """
    sentences: dict[str, None] = {}
    for data in study.data:
        for table in dict.fromkeys(part.table for part in data.truth):
            truth = open_truth(table)
            for space in study.spaces:
                sentences |= dict.fromkeys(_compare(space, truth))
    return list(sentences)


def _compare(part: SpacePart, truth: GroundTruth) -> Iterator[str]:
    """Yield a sentence if the skeleton of a study's space differs from the truth's."""
    space = get_space(part.name)
    trained = _skeleton_of(truth)
    if not trained or unrestricted_name(space.name) != truth.space.name:
        return
    if space.skeleton(**part.skeleton) == space.skeleton(**trained):
        return
    searched = {**space.skeleton_defaults, **part.skeleton}
    yield (
        f"{part.title}: the supernets have {_in_words(searched)}, but the networks of "
        f"{truth.name} have {_in_words(trained)}. Its accuracies may not hold for these "
        "supernets"
    )


def _skeleton_of(truth: GroundTruth) -> Mapping[str, object]:
    """Return the skeleton settings that a truth states; empty if it states none."""
    recipe = truth.details.get("recipe")
    if not isinstance(recipe, Mapping):
        return {}
    names = truth.space.skeleton_defaults
    return {name: recipe[name] for name in names if name in recipe}


def _in_words(settings: Mapping[str, object]) -> str:
    """Return settings as text, such as "channels 4, cells 2, reduction pool"."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())
