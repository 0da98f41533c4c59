"""The plan of a scoring: what to score and how, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from archselect.benchmarks.runtime.formulations import scoring_formulations
from archselect.benchmarks.store.facts import Settings, content_id
from archselect.benchmarks.store.records import DataInputs, Population, ScoringInputs
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images, check_batch
from archselect.nasbench_adapters.limits import MOST_IMAGES_AT_ONCE
from archselect.nasbench_adapters.networks.network import NORM_MODES
from archselect.nasbench_adapters.space import build_skeleton
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import get_proxy, proxy_source

OWN_NORM = "own"
"""The batch-norm mode that means the mode of each proxy's definition."""
NORMS = (OWN_NORM, *NORM_MODES)


def scoring_inputs(
    population: Population,
    proxies: Sequence[str],
    *,
    data: str,
    data_dir: Path | None = None,
    skeleton: Settings | None = None,
    norm: str = OWN_NORM,
    batch_size: int = 64,
    batches: int = 1,
    fresh_batches: bool = False,
    supernet_operations: bool = False,
) -> ScoringInputs:
    """Return what to score, and how.

    Args:
        population: the architectures.
        proxies: names of the proxies, or FILE.py:OBJECT.
        data: name or path of a data set.
        data_dir: folder of the data sets; None for the user's data folder.
        skeleton: settings of the networks' size.
        norm: batch-norm mode, one of :data:`NORMS`.
        batch_size: images per minibatch.
        batches: number of minibatches, whose scores are summed.
        fresh_batches: whether each architecture gets its own minibatches.
        supernet_operations: whether normalisation has no scale and shift, and poolings
            are normalised, as in a supernet.

    Raises:
        UserError: a name is unknown, or a setting does not fit.
    """
    space = get_space(population.space)
    build_skeleton(space, skeleton or {})
    names = check_proxies(proxies, norm)
    images = Images(load_images(data, data_dir), torch.device("cpu"), split="first")
    check_batch(batch_size, "train", images.dataset, len(images.train_index))
    if batch_size * batches > MOST_IMAGES_AT_ONCE:
        raise UserError(
            f"{batches:,} batches of {batch_size:,} images exceed the limit of {MOST_IMAGES_AT_ONCE:,} images for "
            "one network: use fewer or smaller batches"
        )
    return ScoringInputs(
        space=space.name,
        skeleton=skeleton or {},
        data=DataInputs.model_validate(images.describe()),
        proxies=list(names),
        norm=norm,
        batch_size=batch_size,
        batches=batches,
        fresh_batches=fresh_batches,
        supernet_operations=supernet_operations,
        population=content_id(population.architectures),
        formulations=scoring_formulations(space, proxies),
        source=proxy_source(proxies),
    )


def check_proxies(proxies: Sequence[str], norm: str) -> tuple[str, ...]:
    """Return the names of proxies, each given by name or as FILE.py:OBJECT.

    Raises UserError, with all faults, for wrong proxies or a wrong batch-norm mode. A
    name can be unknown, and a proxy can be repeated.
    """
    faults = Faults()
    if norm not in NORMS:
        faults.add(unknown("batch-norm mode", norm, NORMS))
    names = []
    for name in proxies:
        with faults.collect():
            names.append(get_proxy(name).name)
    if len(set(names)) < len(names):
        faults.add(UserError(f"proxies: {', '.join(proxies)}: name each proxy once"))
    faults.raise_any()
    return tuple(names)
