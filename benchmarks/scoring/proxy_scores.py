"""Scores of a population's stand-alone networks under proxies, in worker processes; goes on where it stopped.

A network's weights and (with fresh batches) its minibatches depend on the seed and the
architecture alone, so that an architecture has the same score in whatever population it
stands.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archselect.benchmarks.engines.registry import get_engine
from archselect.benchmarks.runs.kept import counted, kept_notice
from archselect.benchmarks.runtime.calls import result_of
from archselect.benchmarks.runtime.formulations import of_scoring
from archselect.benchmarks.runtime.machine import (
    Code,
    code,
    code_version,
    commit,
    find_device,
    machine,
    open_device,
)
from archselect.benchmarks.runtime.vouching import check_code, check_images
from archselect.benchmarks.store.facts import (
    Numbers,
    Settings,
    content_id,
    read_fact_if_there,
    write_fact,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    DataInputs,
    Population,
    Score,
    Scored,
    Scoring,
    ScoringInputs,
)
from archselect.nasbench_adapters.atomic_files import held
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images, check_batch
from archselect.nasbench_adapters.limits import MOST_IMAGES_AT_ONCE
from archselect.nasbench_adapters.networks import build_network, scoring
from archselect.nasbench_adapters.networks.network import NORM_MODES
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import build_skeleton
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.base import Proxy, Undefined

PART = 16
"""Architectures to a file: what an interruption can lose of each worker."""

NORMS = ("own", *NORM_MODES)

AUGMENT = True
"""Minibatches are augmented as in training, as all the released codes do."""


def scoring_inputs(
    population: Population,
    proxies: Sequence[str],
    *,
    data: str,
    data_dir: Path | None = None,
    skeleton: Settings | None = None,
    norm: str = "own",
    batch_size: int = 64,
    batches: int = 1,
    fresh_batches: bool = False,
    supernet_operations: bool = False,
) -> ScoringInputs:
    """What is to be scored and how.

    Raises UserError for an unknown name or a setting that does not fit.
    """
    space = get_space(population.space)
    build_skeleton(space, skeleton or {})
    check_proxies(proxies, norm)
    images = Images(load_images(data, data_dir), torch.device("cpu"), split="first")
    check_batch(batch_size, "train", images.dataset, len(images.train_index))
    if batch_size * batches > MOST_IMAGES_AT_ONCE:
        raise UserError(
            f"{batches:,} batches of {batch_size:,} images are more than the {MOST_IMAGES_AT_ONCE:,} images that a "
            "network is scored on: name fewer or smaller ones"
        )
    return ScoringInputs(
        space=space.name,
        skeleton=skeleton or {},
        data=DataInputs.model_validate(images.describe()),
        proxies=list(proxies),
        norm=norm,
        batch_size=batch_size,
        batches=batches,
        fresh_batches=fresh_batches,
        supernet_operations=supernet_operations,
        population=content_id(population.architectures),
        formulations=of_scoring(space, proxies),
    )


def check_proxies(proxies: Sequence[str], norm: str) -> None:
    """Raise UserError, with all faults, for an unknown proxy or batch-norm mode, and for a proxy that comes twice."""
    faults = Faults()
    if norm not in NORMS:
        faults.add(unknown("batch-norm mode", norm, NORMS))
    for name in proxies:
        with faults.collect():
            get_proxy(name)
    if len(set(proxies)) < len(proxies):
        faults.add(UserError(f"proxies: {', '.join(proxies)}: one of them comes twice"))
    faults.raise_any()


def run_scoring(
    inputs: ScoringInputs,
    population: Population,
    seeds: Sequence[int],
    root: Path,
    *,
    data: str,
    data_dir: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    engine: str = "local",
    engine_settings: dict[str, Any] | None = None,
    rerun_other_code: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    command: Sequence[str] = (),
) -> tuple[int, int]:
    """Score what is missing; how many (architecture, seed) pairs were scored now, and how many were there.

    Args:
        inputs, population, seeds: what to score.
        root: the folder.
        data: the data set's name or path, that of the inputs.
        data_dir, device, workers, engine, engine_settings: as for a study; see
            :func:`.harness.run_study`.
        rerun_other_code: score anew what another commit of archselect scored; scores
            stay until the new ones are there.
        notify: called with a line that says what of other commits is kept, before
            anything is scored.
        progress: told (done, total).
        command: noted in the folder.

    Raises UserError if the folder holds other scores or cannot be written, or the
    device or engine is not there.
    """
    made_by = code()
    open_engine = get_engine(engine)
    if engine == "local":
        device = str(find_device(device))
    folder = Folder(root)
    with held(root):
        folder.refuse_links()
        _claim(folder, inputs, population, seeds, command)
        size = len(population.architectures)
        starts = [(seed, start) for seed in seeds for start in range(0, size, PART)]
        foreign = _of_other_code(folder, starts)
        if not rerun_other_code and (line := _notice(foreign)):
            notify(line)
        anew = foreign.keys() if rerun_other_code else set()
        todo = [
            part
            for part in starts
            if part in anew or not folder.scored(*part).is_file()
        ]
        total = size * len(seeds)
        kept = done = total - sum(min(PART, size - start) for _, start in todo)
        progress(done, total)
        if todo:
            texts = population.architectures
            start = (
                _start_worker,
                (inputs, data, data_dir and data_dir.absolute(), device, made_by),
            )
            with open_engine(workers, device, start, engine_settings or {}) as submit:
                # Nothing but `as_completed` holds the futures, or all scores would stay
                # in memory to the end.
                for future in as_completed(
                    [
                        submit(_score_part, seed, first, texts[first : first + PART])
                        for seed, first in todo
                    ]
                ):
                    scored = result_of(future)
                    write_fact(folder.scored(scored.seed, scored.start), scored, root)
                    done += len(scored.scores)
                    progress(done, total)
        return done - kept, kept


def _of_other_code(
    folder: Folder, parts: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Scored]:
    """Return the scores of other commits than the present one, by seed and start."""
    facts = {part: read_fact_if_there(folder.scored(*part), Scored) for part in parts}
    return {
        part: fact
        for part, fact in facts.items()
        if fact is not None and fact.commit != commit()
    }


def _notice(foreign: dict[tuple[int, int], Scored]) -> str | None:
    """Return the line that says what of other commits is kept; None if nothing is."""
    if not foreign:
        return None
    networks = sum(len(fact.scores) for fact in foreign.values())
    return kept_notice(
        [f"scores of {counted(networks, 'network')}"],
        {fact.commit for fact in foreign.values()},
    )


def _differing(before: Numbers, now: Numbers) -> str:
    """Return in words which formulation numbers changed."""
    names = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name}: {before.get(name)}, now {now[name]}" for name in names)


def _claim(
    folder: Folder,
    inputs: ScoringInputs,
    population: Population,
    seeds: Sequence[int],
    command: Sequence[str],
) -> None:
    """Write what the folder is of, or refuse a folder of other scores.

    More seeds of the same are welcome.
    """
    every = set(seeds)
    there = read_fact_if_there(folder.scoring_path, Scoring)
    if there is not None:
        if there.inputs != inputs:
            if there.inputs == inputs.model_copy(
                update={"formulations": there.inputs.formulations}
            ):
                raised = _differing(there.inputs.formulations, inputs.formulations)
                raise UserError(
                    f"{folder.root} holds scores of another formulation ({raised}); name another folder with --out"
                )
            raise UserError(
                f"{folder.root} holds scores of other settings or cells; name another folder with --out"
            )
        every |= set(there.seeds)
    size = len(population.architectures)
    scoring = Scoring(
        inputs=inputs, seeds=sorted(every), size=size, command=shlex.join(command)
    )
    write_fact(folder.population_path, population, folder.root)
    write_fact(folder.scoring_path, scoring, folder.root)


_scorer: Scorer | None = None
_made_by: Code | None = None


def _start_worker(
    inputs: ScoringInputs, data: str, data_dir: Path | None, device: str, made_by: Code
) -> None:
    global _scorer, _made_by
    code()  # looked at before a file of it can change, and kept
    images = Images(load_images(data, data_dir), open_device(device), split="first")
    _scorer = Scorer(inputs, images)
    _made_by = made_by


def _score_part(seed: int, start: int, texts: list[str]) -> Scored:
    """Return the scores of some architectures.

    Raises UserError if code or images here are not the command's.
    """
    assert _scorer is not None and _made_by is not None
    check_code(_made_by)
    _scorer.check()
    scores = [_scorer.score(text, seed) for text in texts]
    return Scored(
        seed=seed,
        start=start,
        scores=scores,
        machine=machine(_scorer.device),
        code_version=code_version(),
        commit=commit(),
    )


class Scorer:
    """Scores architectures one by one."""

    def __init__(self, inputs: ScoringInputs, images: Images) -> None:
        self.inputs, self.device, self._images = inputs, images.device, images
        self._space = get_space(inputs.space)
        self._skeleton = self._space.skeleton(**inputs.skeleton)

    def check(self) -> None:
        """Raise UserError if the images are not those of the inputs."""
        described = DataInputs.model_validate(self._images.describe())
        check_images(self.inputs.data.name, described, self.inputs.data)

    def score(self, text: str, seed: int) -> dict[str, Score]:
        """Return every proxy's score, summed over the minibatches, of a freshly initialised network.

        Where a proxy is not defined, its score is None, with the reason.
        """
        inputs, dataset = self.inputs, self._images.dataset
        weights = stream_seed("scoring weights", seed, text)
        drawn = stream_seed(
            "scoring minibatches", seed, *([text] if inputs.fresh_batches else [])
        )
        network = build_network(
            self._space,
            self._space.parse(text),
            self._skeleton,
            dataset.channels,
            dataset.classes,
            weights,
            affine=not inputs.supernet_operations,
        ).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator = torch.Generator().manual_seed(drawn)
        batches = [
            self._images.minibatch("train", inputs.batch_size, generator, AUGMENT)
            for _ in range(inputs.batches)
        ]
        return {
            name: self._measure(get_proxy(name), network, batches)
            for name in inputs.proxies
        }

    def _measure(
        self, proxy: Proxy, network: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]
    ) -> Score:
        """Return one proxy's score of a network, summed over the minibatches."""
        norm = (
            (proxy.norm or "running") if self.inputs.norm == "own" else self.inputs.norm
        )
        began = time.perf_counter()
        value: float | None
        try:
            with scoring(network, norm):
                value = sum(
                    proxy.measure(network, network, images, labels)
                    for images, labels in batches
                )
            reason = ""
        except Undefined as error:
            value = None
            reason = str(error)
        return Score(value=value, reason=reason, seconds=time.perf_counter() - began)
