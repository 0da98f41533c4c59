"""The worker process of a scoring: it starts once, then scores part by part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from archselect.benchmarks.runtime.machine import (
    Code,
    code_version,
    commit,
    describe_machine,
    open_device,
    running_code,
)
from archselect.benchmarks.runtime.same_inputs import check_same_code
from archselect.benchmarks.scoring.scorer import Scorer
from archselect.benchmarks.store.records import Scored, ScoringInputs
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images


class _ScoringWorker(NamedTuple):
    """What a worker keeps between calls.

    Attributes:
        scorer: scorer with the images that this process read.
        code_of_command: code that this process must run, too.
    """

    scorer: Scorer
    code_of_command: Code


_worker: _ScoringWorker | None = None


def start_worker(
    inputs: ScoringInputs,
    proxies: Sequence[str] | None,
    data: str,
    data_dir: Path | None,
    device: str,
    code_of_command: Code,
) -> None:
    """Read the images once, before the first call of :func:`score_part`."""
    global _worker
    running_code()  # reads the source files before one of them can change
    images = Images(load_images(data, data_dir), open_device(device), split="first")
    _worker = _ScoringWorker(Scorer(inputs, images, proxies), code_of_command)


def score_part(seed: int, start: int, texts: list[str]) -> Scored:
    """Return the scores of some architectures.

    Args:
        seed: seed of weights and minibatches.
        start: index of the first architecture in the population.
        texts: the architectures.

    Raises:
        UserError: the code or the images of this process differ from the command's.
    """
    assert _worker is not None
    check_same_code(_worker.code_of_command)
    scorer = _worker.scorer
    scorer.check()
    scores = [scorer.score(text, seed) for text in texts]
    return Scored(
        seed=seed,
        start=start,
        scores=scores,
        machine=describe_machine(scorer.device),
        code_version=code_version(),
        commit=commit(),
    )
