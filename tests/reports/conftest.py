"""A folder of records as a finished study leaves it, with made-up numbers of a plausible shape."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.made_traces import traces as traces
from support.study_folder import (
    TRUTHS,
    fail,
    make_folder,
    make_inputs,
    make_record,
)

from archselect.reports.page.write import write_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "study")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `folder`, with its report, which takes a while to write; not to be touched."""
    root = make_folder(tmp_path_factory.mktemp("written") / "study")
    write_report(root)
    return root


@pytest.fixture
def build() -> Callable[..., Path]:
    return make_folder


@pytest.fixture(scope="session")
def fake() -> type:
    """The builders above, for tests that change a folder."""

    class Fake:
        inputs = staticmethod(make_inputs)
        record = staticmethod(make_record)
        fail = staticmethod(fail)
        folder = staticmethod(make_folder)
        worlds = TRUTHS

    return Fake


DOCUMENT = r"""\documentclass[10pt,twocolumn]{article}
%s
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., str]:
    """`compiled(files, packages)` is what pdflatex says of a document of tables; fails where there is an error."""

    def compile_tables(
        files: list[Path], packages: str = r"\usepackage[T1]{fontenc}"
    ) -> str:
        text = DOCUMENT % (
            packages,
            "\n\\clearpage\n".join(rf"\input{{{path}}}" for path in files),
        )
        (tmp_path / "paper.tex").write_text(text)
        command = [
            "pdflatex",
            "-interaction=nonstopmode",
            "-halt-on-error",
            "paper.tex",
        ]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, check=False, timeout=600
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, said[-2000:]
        assert (tmp_path / "paper.pdf").stat().st_size > 0
        return said

    return compile_tables


@pytest.fixture
def dom(tmp_path: Path) -> Callable[..., str]:
    """A page's text as it stands after a script, in a browser so wide; skips where there is no Chromium."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")

    def after(page: Path, script: str, width: int = 1280) -> str:
        changed = tmp_path / "changed.html"
        changed.write_text(
            page.read_text(encoding="utf-8").replace(
                "</body>", f"<script>{script}</script></body>"
            )
        )
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--window-size={width},900",
        ]
        command += [
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            changed.as_uri(),
        ]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=600
        ).stdout

    return after
