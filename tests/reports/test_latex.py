"""The LaTeX tables are compiled, where there is a LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from archselect.benchmarks.records import Folder, Record, Reproduced, write_fact
from archselect.reports.tables import TABLES
from archselect.reports.write import write_report

ODD = r"50% of $x_1$ # {a}^~\b & 'q'"
DOCUMENT = r"""\documentclass[10pt,twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


def compile_tables(folder: Path, files: list[Path]) -> str:
    """What pdflatex says of a document of these tables; fails where there is an error."""
    text = DOCUMENT % "\n\\clearpage\n".join(rf"\input{{{path}}}" for path in files)
    (folder / "paper.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 0
    return done.stdout


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_every_table_compiles_and_fits_the_page(fake, tmp_path):
    published = Reproduced(paper="DARTS-PT", table="Table 2", method="darts+darts-pt", selector="darts-pt")
    named = list(TABLES)
    root = fake.folder(tmp_path / "study", tables=named, reproduces=[published])
    for record in list(Folder(root).read_all(Record)):
        selector = record.inputs.selector.model_copy(update={"label": f"{record.inputs.selector.label} {ODD}"})
        inputs = record.inputs.model_copy(update={"selector": selector})
        write_fact(Folder(root).path(Record, record.id), record.model_copy(update={"inputs": inputs}))
    write_report(root)
    files = [root / "report" / f"{name}.tex" for name in named]
    said = compile_tables(tmp_path, files)
    assert not re.findall(r"Overfull \\hbox|undefined", said)
