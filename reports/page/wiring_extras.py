"""Extras of the section on the wiring: evolving cells, figures, numbers by seed."""

from __future__ import annotations

from collections.abc import Iterator

from archselect.reports.escaping import markdown
from archselect.reports.page.html import render
from archselect.reports.page.markdown import figure_markdown
from archselect.reports.page.section import Extras
from archselect.reports.results.results import Results
from archselect.reports.tables.render import to_csv
from archselect.reports.wiring.parts import WiringPart, wiring_parts
from archselect.reports.wiring.tables import seeds_table

GLOSSARY = {
    "q": "Probability that an edge exists: 1 − p(none). Argmax: the most likely operation of every edge; it can be "
    "none.",
    "depth, width": "Depth: expected length of the longest path from an input, in edges. Width: expected number of "
    "edges that leave inputs. Each edge exists independently with probability q.",
    "cost": "Derivative of the loss with respect to the weight of an operation in the mixture, summed over layers. A "
    "positive cost means that the operation increases the loss. The cost of none is 0.",
    "L − H": "Cross-entropy minus the entropy of the prediction, in nats, averaged over images.",
}


def wiring_extras(results: Results) -> Extras:
    """Return the extras of the section; empty if no supernet was traced."""
    parts = wiring_parts(results)
    if not parts:
        return Extras()
    drawings: dict[str, str] = {}
    blocks: list[str] = []
    for part in parts:
        drawings |= part.drawings
        blocks += _markdown_blocks(part)
    return Extras(
        html=render("wiring.html.j2", wiring=parts),
        markdown=tuple(blocks),
        drawings=drawings,
        files={"wiring-seeds.csv": to_csv(seeds_table(results))},
        glossary=GLOSSARY,
    )


def _markdown_blocks(part: WiringPart) -> Iterator[str]:
    """Yield a group's name, drawings of its cell at some epochs, and its figures."""
    yield f"### {markdown(part.name)}\n"
    if part.evolution:
        for frame in part.evolution.stills:
            words = markdown(frame.words)
            yield f"![{words}](figures/{frame.name}.svg)\n\nSeed {part.evolution.seed}, {words}.\n"
    for figure in part.figures:
        yield figure_markdown(figure)
