"""Texts of others on a terminal, in a study and in its folder: data, whatever they say."""

import io
import json
import re
import warnings

import pytest
from support import hostile, small

from archselect.benchmarks.cli import terminal as terminal_module
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs import harness
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record
from archselect.benchmarks.store.status import read_status
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.foreign_text import (
    LONGEST_MESSAGE,
    escape_invisible,
    one_line,
)
from archselect.nasbench_adapters.plugins.registry import PluginWarning

STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def texts():
    return [text for text in hostile.TEXTS.values() if text.strip()]


@pytest.fixture
def terminal(monkeypatch):
    """What is printed on a terminal of 4,000 columns, as a text."""
    printed = io.StringIO()
    for name, stderr in (("out", False), ("err", True)):
        console = terminal_module.PlainConsole(
            file=printed,
            force_terminal=True,
            width=4000,
            stderr=stderr,
            soft_wrap=not stderr,
        )
        monkeypatch.setattr(terminal_module, name, console)
    return printed


def controls(text):
    """What is neither text nor the style that a terminal shows it in."""
    return {letter for letter in STYLE.sub("", text) if not letter.isprintable()} - {
        "\n",
        "\u00a0",
    }


def test_a_line_is_one_line_as_it_is(terminal, texts):
    for text in texts:
        terminal_module.say(text)
        terminal_module.notice(text, "red")
    lines = STYLE.sub("", terminal.getvalue()).splitlines()
    assert controls(terminal.getvalue()) == set()
    assert lines == [
        escape_invisible(text, keep="") for text in texts for _ in range(2)
    ]


def test_titles_and_cells_of_a_table_are_as_they_are(texts, capsys):
    for line in (one_line(text) for text in texts if len(text) <= 200):
        terminal_module.print_table(
            line, [line, "b"], [[line, "c"]], line, numeric=["b"]
        )
        printed = capsys.readouterr().out
        assert controls(printed) == set()
        assert printed.count(line) == 4


def test_progress_and_warnings_show_what_they_are_told(terminal, texts):
    with warnings.catch_warnings():
        for text in texts:
            with terminal_module.progress(text) as bar:
                bar.update(bar.task_ids[0], description=text, completed=1, total=2)
                bar.refresh()
                assert one_line(text) in terminal.getvalue()
            for kind in (PluginWarning, UserWarning):
                terminal_module.show_warning(text, kind, "a\x1b.py", 1)
    shown = re.sub(r"\x1b\[\??[0-9;]*[A-Za-z]", "", terminal.getvalue()).replace(
        "\r", ""
    )
    assert controls(shown) == set()


@pytest.mark.parametrize("field", ["title", "selectors", "supernets", "spaces"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("two\\nlines", "line breaks"),
        ("a\\u001B[2J", r"\u001b[2J"),
        ("dar\\u200Bts", r"\u200bts"),
        ("a\\u202Eb", r"\u202eb"),
        ("x" * 400, "has 400 letters"),
        ("  ", "is empty or blank"),
    ],
)
def test_a_study_with_a_name_that_cannot_be_shown_is_refused(
    small_truth, tmp_path, field, text, said
):
    places = {
        "title": ('title = "A small study"', f'title = "{text}"'),
        "selectors": ('name = "magnitude"', f'name = "magnitude"\nlabel = "{text}"'),
        "supernets": ('recipe = "darts"', f'recipe = "darts"\nlabel = "{text}"'),
        "spaces": ('name = "nb201"', f'name = "nb201"\nlabel = "{text}"'),
    }
    path = tmp_path / "small.toml"
    path.write_text(small.study_text(small_truth, places[field]), encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_study(str(path))
    message = str(error.value)
    assert message.isprintable() and field in message and said in message


def test_a_selector_whose_name_cannot_be_shown_is_refused(archselect, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from archselect.selectors.random_architecture import Random\n\n\n"
        "class Mine(Random):\n    name = 'two\\nlines'\n    summary = 'none'\n"
    )
    code, _, err = archselect(
        "run", "quickstart", "--selector", "mine.py:Mine", "--out", "here"
    )
    assert (
        code == 2
        and len(err.splitlines()) == 1
        and "the name of Mine: it has line breaks" in err
    )
    assert not (tmp_path / "here").exists()


def test_odd_labels_are_run_and_reported(archselect, inline, small_truth, tmp_path):
    labels = ["$\\\\frac{1}$", "[/v2]", "_nolegend_", "=cmd|'!A1"]
    changes = [
        (f'name = "{name}"\non', f'name = "{name}"\nlabel = "{label}"\non')
        for name, label in zip(small.LABELS, labels, strict=True)
    ]
    text = small.study_text(
        small_truth, *changes, ("supernet = [0, 1]", "supernet = [0]")
    )
    (tmp_path / "small.toml").write_text(text)
    code, out, err = archselect(
        "run", "small.toml", "--out", "[i]here[/v2]", "--device", "cpu"
    )
    assert (code, err) == (0, "")
    assert (
        all(label.replace("\\\\", "\\") in out for label in labels)
        and "Report: [i]here[/v2]/report.html" in out
    )


def test_an_error_of_a_run_says_nothing_but_itself(
    quick, inline, tmp_path, monkeypatch, archselect
):
    """Halves of letters cannot be written; line breaks would pass for lines of ours."""
    message = "\udcff\x1b[2J\n6 of 6 runs done\n::error::forged " + "x" * 100_000

    def fail(self, job):
        raise ValueError(message)

    monkeypatch.setattr(Runner, "run", fail)
    outcome = harness.run_study(quick, tmp_path / "out", device="cpu")
    assert len(outcome.failed) == 6
    (failure, *_) = Folder(tmp_path / "out").read_all(Failure)
    assert failure.error.isprintable() and failure.error.startswith(
        r"ValueError: \udcff\u001b[2J 6 of 6 runs done ::error"
    )
    assert (
        len(failure.error) < 3_000
        and len(failure.traceback) < 60_000
        and "\x1b" not in failure.traceback
    )
    code, out, _ = archselect("status", "out")
    assert code == 0 and controls(out) == set()
    assert len(out.splitlines()) == 2 + 6 and not re.search(r"^(6 of 6|::)", out, re.M)


def test_a_folder_that_somebody_sent_has_a_status(
    finished, archselect, texts, monkeypatch
):
    folder = Folder(finished)
    info = folder.study()
    record = next(folder.read_all(Record))
    folder.path(Record, record.id).unlink()
    error = "\n".join(texts)
    write_fact(
        folder.path(Failure, record.id),
        Failure(id=record.id, inputs=record.inputs, error=error, traceback=""),
    )
    write_fact(folder.study_path, info.model_copy(update={"name": error}))
    (failed,) = read_status(finished).failed
    assert str(failed).isprintable() and len(str(failed)) <= LONGEST_MESSAGE
    monkeypatch.chdir(finished.parent)
    code, out, _ = archselect("status", finished.name)
    assert code == 0 and controls(out) == set() and len(out.splitlines()) == 3
    code, out, _ = archselect("status", finished.name, "--json")
    assert code == 0 and controls(out) == set() and json.loads(out)["study"] == error
