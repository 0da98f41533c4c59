"""Whether supernets have the skeleton of the networks that a truth was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archselect.benchmarks.plan.parts import SpacePart
from archselect.benchmarks.plan.study import Study
from archselect.nasbench_adapters.spaces import get_space, unrestricted_name
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth


def list_other_skeletons(study: Study) -> list[str]:
    """Return a sentence for each space and truth whose skeletons differ.

    A truth that does not hold its skeleton has no sentence.
    """
    sentences: dict[str, None] = {}
    for data in study.data:
        for table in dict.fromkeys(part.table for part in data.truth):
            truth = open_truth(table)
            for space in study.spaces:
                sentences |= dict.fromkeys(_compare(space, truth))
    return list(sentences)


def _compare(part: SpacePart, truth: GroundTruth) -> Iterator[str]:
    """Yield a sentence if the skeleton of a study's space is not the truth's."""
    space = get_space(part.name)
    trained = _skeleton_of(truth)
    if not trained or unrestricted_name(space.name) != truth.space.name:
        return
    if space.skeleton(**part.skeleton) == space.skeleton(**trained):
        return
    searched = {**space.skeleton_defaults, **part.skeleton}
    yield (
        f"{part.title}: supernets have {_in_words(searched)}; the networks of "
        f"{truth.name} have {_in_words(trained)}, so its accuracies say less about these "
        "supernets"
    )


def _skeleton_of(truth: GroundTruth) -> Mapping[str, object]:
    """Return the skeleton settings that a truth holds; empty if it holds none."""
    recipe = truth.details.get("recipe")
    if not isinstance(recipe, Mapping):
        return {}
    names = truth.space.skeleton_defaults
    return {name: recipe[name] for name in names if name in recipe}


def _in_words(settings: Mapping[str, object]) -> str:
    """Return settings such as "channels 4, cells 2, reduction pool"."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())
