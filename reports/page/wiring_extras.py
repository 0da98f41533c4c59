"""What the section on the wiring brings: evolution, drawings, and numbers by seed."""

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
    "q": "Probability that an edge is there: 1 − p(none). Argmax: every edge's likeliest operation, none included.",
    "depth, width": "Expected longest path from an input, in edges, and expected number of edges from inputs, each "
    "edge being there by itself with probability q.",
    "cost": "The loss' derivative by an operation's entry of the mixture, summed over layers: what is positive does "
    "harm. That of none is 0.",
    "L − H": "Cross-entropy minus the entropy of the prediction, in nats, mean over images.",
}


def wiring_extras(results: Results) -> Extras:
    """Return what the section brings; nothing where no supernet was traced."""
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
    """Yield a group's name, the stills of its cell, and its figures."""
    yield f"### {markdown(part.name)}\n"
    if part.evolution:
        for frame in part.evolution.stills:
            words = markdown(frame.words)
            yield f"![{words}](figures/{frame.name}.svg)\n\nSeed {part.evolution.seed}, {words}.\n"
    for figure in part.figures:
        yield figure_markdown(figure)
