"""The report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from archselect.benchmarks.store.facts import flatten
from archselect.benchmarks.store.records import Inputs, Landscape, Machine
from archselect.nasbench_adapters.foreign_text import escape_invisible
from archselect.reports.drawing.cells import SelectedCells, legend
from archselect.reports.figures.canvas import Figure
from archselect.reports.figures.palette import style_sheet, themed, variable
from archselect.reports.page.citing import bibliography, citations, others
from archselect.reports.results.results import Results, seed_name
from archselect.reports.tables.render import to_html
from archselect.reports.tables.runs import runs_table
from archselect.reports.tables.table import Table
from archselect.reports.tables.words import (
    device,
    extent,
    median,
    optimum,
    quality,
    source,
)
from archselect.reports.wiring.parts import WiringPart

GLOSSARY = {
    "seed": "A run is named by its supernet seed (weights and order of the images) and its selection seed "
    "(all that the selector draws), written supernet/selection. Every selector is compared on the same "
    "supernets.",
    "trial": "One training of one architecture in the truth, from one seed. An accuracy is the mean of its trials.",
    "truth": "What says which accuracy a stand-alone network has, at one data set, split and number of epochs: a "
    "table, or a surrogate where no table can hold the space.",
    "looked up": "Found in a table. A table's accuracies may themselves be predictions; then that is said.",
    "predicted": "By a surrogate, a model fitted on a table of architectures, with the Kendall's τ-b that it reached "
    "in cross-validation on architectures left out of the fit. Nothing was trained.",
    "trained": "By this study, from scratch and to the end: test accuracy after the last epoch.",
    "not in the table": "A table of a part of a space need not hold what was selected; such a run is in no mean.",
    "mean ± std": "Mean over the seeds of a selector and their sample standard deviation (n − 1).",
    "rank": "1 + the number of architectures in the space with a strictly higher accuracy; where the truth holds a "
    "part of the space, in that part.",
    "gap": "Accuracy of the best architecture of the space, or of that part, minus the mean over seeds, in percentage "
    "points.",
    "τ-b, ρ": "Kendall's rank correlation with correction for ties; Spearman's, ties at their average rank.",
    "best-acc, avg-acc": "What an operation on an edge is worth by the truth: the best, or the mean, "
    "accuracy of all cells that have it there.",
    "undefined": "A correlation of too few or all-equal values has no value; it is counted and said, and in no mean.",
    "noise": "Standard deviation between the trials of one architecture, mean over architectures.",
    "ceiling": "Kendall's τ-b of one trial with another (or of one half of the trials with the other): no "
    "score can be expected to agree better with such a trial (or half).",
    "forward, backward": "Passes of a batch through a network; GFLOP: 10⁹ floating-point operations.",
}


WIRING = {
    "q": "Probability that an edge is there: 1 − p(none). Argmax: every edge's likeliest operation, none included.",
    "depth, width": "Expected longest path from an input, in edges, and expected number of edges from inputs, each "
    "edge being there by itself with probability q.",
    "cost": "The loss' derivative by an operation's entry of the mixture, summed over layers: what is positive does "
    "harm. That of none is 0.",
    "L − H": "Cross-entropy minus the entropy of the prediction, in nats, mean over images.",
}
WITHOUT_TRUTH = {"seed", "mean ± std", "forward, backward", *WIRING}
"""Words that a study without any truth uses, too."""
MOST_RUNS = 400
"""Runs that the page lists one by one."""


@dataclass(frozen=True)
class _Block:
    """One set of settings and whom it holds for."""

    title: str
    settings: dict[str, str]
    used_by: str


def page(
    results: Results,
    tables: Sequence[Table],
    figures: Sequence[Figure],
    cells: SelectedCells,
    runs: pd.DataFrame,
    wiring: Sequence[WiringPart] = (),
) -> str:
    """The whole page as text."""
    listed = runs_table(runs, MOST_RUNS)
    environment = Environment(
        loader=PackageLoader("archselect.reports.page"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    of_table = {
        table.name: [
            figure for figure in figures if figure.name.split("-")[0] == table.name
        ]
        for table in tables
    }
    words = {**GLOSSARY, **(WIRING if wiring else {})}
    template = environment.get_template("report.html.j2")
    content = dict(
        results=results,
        info=results.info,
        tables=[
            (table, Markup(to_html(table)), of_table[table.name]) for table in tables
        ],
        cells=cells.drawn,
        cells_left_out=cells.left_out,
        legend=legend(results),
        landscapes=[(landscape, _about(landscape)) for landscape in results.landscapes],
        runs=listed,
        runs_html=Markup(to_html(listed)),
        runs_left_out=len(runs) - len(listed.shown),
        citations=citations(results),
        others=others(results),
        bibliography=bibliography(results),
        selectors=_blocks(
            results, lambda i: i.selector.model_dump(mode="json"), _selector
        ),
        supernets=_blocks(
            results, lambda i: (i.space, i.supernet.model_dump(mode="json")), _supernet
        ),
        data=_blocks(results, lambda i: i.data.model_dump(mode="json"), _data),
        machines=_machines(results),
        versions=results.versions,
        seeds=len(set(zip(runs.supernet_seed, runs.selection_seed, strict=True))),
        glossary={
            w: m for w, m in words.items() if results.landscapes or w in WITHOUT_TRUTH
        },
        wiring=wiring,
        seed_name=seed_name,
        source=source,
        svg=lambda text: Markup(themed(text)),
        variable=variable,
        light=style_sheet(dark=False),
        dark=style_sheet(dark=True),
    )
    context = template.new_context(content)
    text = "".join(template.root_render_func(context))
    # The context and the template's macros refer to one another, and would keep all
    # records.
    context.parent.clear()
    return text


def _shown(value: Any) -> Any:
    """A value of the page with nothing in it that cannot be seen; what is markup already has been looked at."""
    return (
        escape_invisible(value)
        if isinstance(value, str) and not isinstance(value, Markup)
        else value
    )


def _about(landscape: Landscape) -> dict[str, str]:
    def known(value: float | None) -> str:
        return "not known" if value is None else f"{value:.3f}"

    about = {
        "truth": landscape.truth,
        "source": quality(landscape),
        "origin": landscape.origin,
    }
    if not landscape.architectures:
        return {
            **about,
            "trainings of each cell": f"{landscape.trials}",
            "checksum of the data": landscape.checksum,
        }
    best, these = (
        ("optimum", "space")
        if landscape.space_size is None
        else ("best", "architectures")
    )
    random = known(landscape.mean) + (
        "" if landscape.std is None else f", std of single cells {landscape.std:.3f}"
    )
    return {
        **about,
        "space": f"{landscape.space}, {extent(landscape)}",
        "trials per architecture": f"{landscape.trials}",
        best: optimum(landscape),
        "cell with the highest mean": f"{landscape.optimum_architecture}",
        f"median of the {these}": f"{median(landscape):.2f}",
        "random cell (exact mean)": random,
        "noise (std between trials)": known(landscape.noise_std),
        "ceiling, single trials (τ-b)": known(landscape.ceiling_single),
        "ceiling, halves of the trials (τ-b)": known(landscape.ceiling_half),
        "checksum": landscape.checksum,
    }


def _blocks(
    results: Results,
    key: Callable[[Inputs], object],
    show: Callable[[Inputs], tuple[str, dict[str, object]]],
) -> list[_Block]:
    """One block for each distinct value of `key`, in the groups' order, with the groups that have it."""
    blocks: dict[Hashable, tuple[Inputs, list[str]]] = {}
    for group in results.groups:
        blocks.setdefault(repr(key(group.inputs)), (group.inputs, []))[1].append(
            group.name
        )
    shown = []
    for inputs, names in blocks.values():
        title, settings = show(inputs)
        shown.append(
            _Block(
                title,
                {k: f"{v}" for k, v in settings.items()},
                "" if names == [title] else ", ".join(names),
            )
        )
    return shown


def _selector(inputs: Inputs) -> tuple[str, dict[str, object]]:
    selector = inputs.selector
    own = (
        {}
        if selector.source is None
        else {"source of the user's file": selector.source}
    )
    name = {} if selector.name == selector.label else {"selector": selector.name}
    return selector.label, {**name, **flatten(dict(selector.settings)), **own}


def _supernet(inputs: Inputs) -> tuple[str, dict[str, object]]:
    supernet = inputs.supernet
    skeleton = {f"skeleton {key}": value for key, value in supernet.skeleton.items()}
    own = (
        {}
        if supernet.source is None
        else {"source of the user's file": supernet.source}
    )
    return supernet.recipe, {
        "space": inputs.space,
        **supernet.settings,
        **skeleton,
        **own,
    }


def _data(inputs: Inputs) -> tuple[str, dict[str, object]]:
    data = inputs.data.model_dump(mode="json")
    return str(data.pop("name")), {
        key.replace("_", " "): value for key, value in data.items()
    }


def _machines(results: Results) -> list[_Block]:
    """Each distinct machine, and how many runs and supernets were made on it."""
    runs, supernets = Counter[Machine](), Counter[Machine]()
    for group in results.groups:
        runs += group.machines
        supernets += group.supernet_machines
    return [
        _Block(
            device(machine),
            {
                key.replace("_", " "): f"{value}"
                for key, value in machine.model_dump().items()
            },
            f"{runs[machine]} runs, the supernets of {supernets[machine]}",
        )
        for machine in sorted({*runs, *supernets}, key=Machine.model_dump_json)
    ]
