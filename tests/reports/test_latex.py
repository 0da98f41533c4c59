"""The LaTeX tables are compiled, where there is a LaTeX."""

from __future__ import annotations

import re
import shutil

import pytest

from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record, Reproduced
from archselect.reports.page.sections import SECTIONS
from archselect.reports.page.write import write_report

ODD = r"50% of $x_1$ # {a}^~\b & 'q'"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_every_table_compiles_and_fits_the_page(fake, compiled, tmp_path):
    published = Reproduced(
        paper="DARTS-PT", table="Table 2", method="darts+darts-pt", selector="darts-pt"
    )
    named = list(SECTIONS)
    root = fake.folder(tmp_path / "study", tables=named, reproduces=[published])
    for record in list(Folder(root).read_all(Record)):
        selector = record.inputs.selector.model_copy(
            update={"label": f"{record.inputs.selector.label} {ODD}"}
        )
        inputs = record.inputs.model_copy(update={"selector": selector})
        write_fact(
            Folder(root).path(Record, record.id),
            record.model_copy(update={"inputs": inputs}),
        )
    write_report(root)
    files = [root / "report" / f"{name}.tex" for name in named]
    said = compiled(files)
    assert not re.findall(r"Overfull \\hbox|undefined", said)
