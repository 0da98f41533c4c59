"""Rendering of the page's templates."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from archselect.nasbench_adapters.foreign_text import escape_invisible
from archselect.reports.drawing.palette import themed, variable
from archselect.reports.tables.render import to_html, to_latex
from archselect.reports.tables.table import Table

PAGE = "archselect.reports.page"
"""The package whose templates every page can include."""


def render(template: str, package: str = PAGE, **content: Any) -> str:
    """Return a template of a package's `templates/` filled with the content."""
    loaded = _environment(package).get_template(template)
    context = loaded.new_context(content)
    text = "".join(loaded.root_render_func(context))
    # The context and the template's macros refer to each other. This cycle would keep
    # all records in memory.
    context.parent.clear()
    return text


def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(PAGE)]),
        autoescape=True,
        finalize=_without_hidden,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "svg": _svg,
        "table_html": _table_html,
        "table_latex": to_latex,
        "variable": variable,
    }
    return environment


def _without_hidden(value: Any) -> Any:
    """Return a value with its invisible letters escaped.

    Leave Markup as it is: its letters are escaped already.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape_invisible(value)
    return value


def _svg(text: str) -> Markup:
    """Return a drawing in the page's colours."""
    return Markup(themed(text))


def _table_html(table: Table) -> Markup:
    return Markup(to_html(table))
