"""What the section on the weights of operations brings: the claims, numbers by seed."""

from __future__ import annotations

from archselect.reports.alphas.figures import alphas_figures
from archselect.reports.alphas.tables import alpha_seeds_table, claims_table
from archselect.reports.page.html import render
from archselect.reports.page.markdown import figure_markdown
from archselect.reports.page.section import Extras
from archselect.reports.results.results import Results
from archselect.reports.tables.render import to_csv, to_latex, to_markdown

GLOSSARY = {
    "a, D": "The table of weights that the activation gives to the alphas, and the one-hot table of the architecture "
    "that it stands for: every edge's largest operation, and the strongest inputs where nodes keep some.",
    "‖a − D‖": "Root of the sum of squares over the edges and operations of a cell type; several are added up.",
    "live operation": "One whose weight is above zero. Under softmax all are; under crb an operation may die.",
    "holds, not shown": "A claim holds, or does not, if an interval says so; not shown is no evidence against it.",
}


def alphas_extras(results: Results) -> Extras:
    """Return what the section brings; the claims where any can be compared."""
    figures = alphas_figures(results)
    claims = claims_table(results)
    has_claims = not claims.frame.empty
    files = {"alphas-seeds.csv": to_csv(alpha_seeds_table(results))}
    blocks = [figure_markdown(figure) for figure in figures]
    if has_claims:
        files |= {
            "alphas-claims.csv": to_csv(claims),
            "alphas-claims.tex": to_latex(claims),
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
