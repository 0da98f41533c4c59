"""A folder of made-up scores of proxies."""

from math import inf

import numpy as np

from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    DataInputs,
    Machine,
    Population,
    Score,
    Scored,
    Scoring,
    ScoringInputs,
)

DIRECTIONS = {"up": "higher", "down": "lower", "flat": "higher"}
MACHINE = Machine(
    device="cpu",
    device_name="x",
    threads=1,
    platform="x",
    python="3",
    torch="2",
    deterministic=True,
)


def make_scores(
    root,
    size=60,
    seeds=(0, 1),
    trials=3,
    published=True,
    part=16,
    holes=(),
    infinite=(),
):
    """A folder of made-up scores: `up` and `down` follow the accuracies, `flat` is constant.

    In the first seed `holes` of `up` are undefined, and `infinite` ones of `down` are
    minus infinity.
    """
    rng = np.random.default_rng(0)
    accuracies = np.round(rng.uniform(80, 95, size), 1)
    noise = {seed: np.random.default_rng(seed + 1).normal(0, 3, size) for seed in seeds}
    population = Population(
        space="nb201",
        source=f"{size} made up",
        architectures=[f"cell {i}" for i in range(size)],
        truth="made up" if trials else None,
        trials=[
            [float(a) + 0.5 * k * (i % 2) for k in range(trials)]
            for i, a in enumerate(accuracies)
        ]
        if trials
        else [],
        published={
            "up": [None if i == 3 else float(a) ** 2 for i, a in enumerate(accuracies)]
        }
        if published
        else {},
    )
    inputs = ScoringInputs(
        space="nb201",
        skeleton={"channels": 4},
        data=DataInputs(
            name="digits",
            checksum="c",
            train_images=6,
            valid_images=6,
            split="first",
            augment="none",
        ),
        proxies=list(DIRECTIONS),
        norm="own",
        batch_size=32,
        batches=1,
        fresh_batches=False,
        supernet_operations=False,
        population=content_id(population.architectures),
        formulations={"scoring": 1},
    )
    folder = Folder(root)
    write_fact(folder.population_path, population)
    write_fact(
        folder.scoring_path,
        Scoring(
            inputs=inputs, seeds=list(seeds), size=size, command="archselect score x"
        ),
    )
    for seed in seeds:
        for start in range(0, size, part):
            scores = []
            for i in range(start, min(size, start + part)):
                value = float(accuracies[i] + noise[seed][i])
                hole = i in holes and seed == seeds[0]
                scores.append(
                    {
                        "up": Score(
                            value=None if hole else value,
                            reason="NaN" if hole else "",
                            seconds=0.5,
                        ),
                        "down": Score(
                            value=-inf
                            if i in infinite and seed == seeds[0]
                            else -value,
                            seconds=0.5,
                        ),
                        "flat": Score(value=1.0, seconds=0.5),
                    }
                )
            scored = Scored(
                seed=seed, start=start, scores=scores, machine=MACHINE, code_version="0"
            )
            write_fact(folder.scored(seed, start), scored)
    return root
