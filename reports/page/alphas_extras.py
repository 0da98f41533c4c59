"""Extras of the section on operation weights: claims, figures and numbers by seed."""

from __future__ import annotations

from archselect.reports.alphas.figures import alphas_figures
from archselect.reports.alphas.tables import alpha_seeds_table, claims_table
from archselect.reports.page.html import render
from archselect.reports.page.markdown import figure_markdown
from archselect.reports.page.section import Extras
from archselect.reports.results.results import Results
from archselect.reports.tables.render import to_csv, to_latex, to_markdown, to_typst

GLOSSARY = {
    "a, D": "a: the operation weights that the activation computes from the alphas. D: the one-hot weights of the "
    "architecture read from them: the largest operation of every edge, and the strongest inputs of a "
    "node where "
    "the space limits their number.",
    "‖a − D‖": "Euclidean distance over the edges and operations of one cell type, summed over the cell types.",
    "live operation": "An operation with a weight above zero. Under softmax every operation is live; under crb some "
    "are not.",
    "holds, not shown": "A claim holds, or does not hold, if a confidence interval decides it. Not shown: the "
    "interval "
    "does not decide; this is no evidence against the claim.",
}


def alphas_extras(results: Results) -> Extras:
    """Return the figures, the numbers by seed and, if any can be tested, the claims."""
    figures = alphas_figures(results)
    claims = claims_table(results)
    has_claims = not claims.frame.empty
    files = {"alphas-seeds.csv": to_csv(alpha_seeds_table(results))}
    blocks = [figure_markdown(figure) for figure in figures]
    if has_claims:
        files |= {
            "alphas-claims.csv": to_csv(claims),
            "alphas-claims.tex": to_latex(claims),
            "alphas-claims.typ": to_typst(claims),
        }
        blocks.append(to_markdown(claims))
    return Extras(
        html=render(
            "alphas.html.j2",
            claims=claims if has_claims else None,
            figures=figures,
        ),
        markdown=tuple(blocks),
        drawings={figure.name: figure.svg for figure in figures},
        files=files,
        glossary=GLOSSARY,
    )
