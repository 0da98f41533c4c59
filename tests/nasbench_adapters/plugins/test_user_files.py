"""Selectors by name and out of files: what is found, and the one line that says what is wrong with a file."""

import sys
from pathlib import Path

import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.base import Selector
from archselect.selectors.registry import SELECTORS, get_selector

GOOD = """from __future__ import annotations

from typing import ClassVar, Literal

from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.magnitude import Magnitude


class First(Selector):
    name: ClassVar[str] = "first"
    summary: ClassVar[str] = "the first operation of every edge"
    mode: Literal["a", "b"] = "a"

    def select(self, task: Task) -> Selection:
        return task.search().selection(task.space.sample(task.rng))
"""


@pytest.fixture
def write(tmp_path):
    """`write(text, name)` is the path of a file."""

    def file(text=GOOD, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return file


def message(text):
    with pytest.raises(UserError) as caught:
        get_selector(str(text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_built_in_selector_by_name():
    for name, kind in SELECTORS.items():
        assert get_selector(name) is kind
    assert "unknown selector 'magnitud': did you mean 'magnitude'?" in message(
        "magnitud"
    )


def test_a_class_of_a_file(write):
    kind = get_selector(f"{write()}:First")
    assert issubclass(kind, Selector) and kind.name == "first"
    assert kind(mode="b").mode == "b"
    assert sys.modules[kind.__module__].__file__ == str(write())


def test_the_class_may_be_left_out_where_the_file_has_one_selector(write):
    """A selector that the file only imports is none of the file's."""
    assert get_selector(str(write())).name == "first"
    two = write(GOOD + "\n\nclass Second(First):\n    pass\n")
    assert (
        message(two)
        == f"{two} has 2 selectors: name one, as {two}:CLASS (First, Second)"
    )
    assert "has 0 selectors" in message(write("x = 1\n"))


def test_a_relative_path(write, monkeypatch):
    path = write()
    monkeypatch.chdir(path.parent)
    assert get_selector("mine.py:First").name == "first"
    assert "mine.py, line 3: ZeroDivisionError" in message(write("\n\n1 / 0\n").name)


def test_files_of_one_name_do_not_meet(write, tmp_path):
    (tmp_path / "other").mkdir()
    other = write(GOOD.replace('"first"', '"second"'), "other/mine.py")
    kinds = [get_selector(f"{path}:First") for path in (write(), other)]
    assert [kind.name for kind in kinds] == ["first", "second"]
    assert kinds[0].__module__ != kinds[1].__module__


def test_an_unknown_class(write):
    path = write()
    assert (
        f"unknown selector in {path} 'Fist': did you mean 'First'? known: First"
        in message(f"{path}:Fist")
    )


@pytest.mark.parametrize("name", ["Selection", "Magnitude"])
def test_a_class_that_is_none_of_the_files_selectors(write, name):
    path = write()
    assert message(f"{path}:{name}").startswith(
        f"{path}: {name} is not among the selectors of this file: derive it there from archselect."
    )


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            ("    def select", "    def choose"),
            "First has no method select(self, task)",
        ),
        (
            ('    name: ClassVar[str] = "first"\n', ""),
            "First lacks a name: give it name: ClassVar[str] = ",
        ),
        (
            ('    summary: ClassVar[str] = "the first operation of every edge"\n', ""),
            "First lacks a summary",
        ),
    ],
)
def test_a_class_that_lacks_something(write, change, wanted):
    path = write(GOOD.replace(*change))
    assert f"{path}: {wanted}" in message(f"{path}:First")


@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("x = 1\ny = x +\n", 2, "SyntaxError: invalid syntax"),
        (
            "import archselect.nowhere\n",
            1,
            "ModuleNotFoundError: No module named 'archselect.nowhere'",
        ),
        (
            "def f():\n    raise ValueError('two\\nlines')\n\nf()\n",
            2,
            "ValueError: two lines",
        ),
        ("import json\n\njson.loads('[')\n", 3, "JSONDecodeError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    ],
)
def test_an_error_in_the_file_is_one_line_with_its_place(write, text, line, error):
    path = write(text)
    before = set(sys.modules)
    assert message(f"{path}:First").startswith(f"{path}, line {line}: {error}")
    assert not [
        name for name in set(sys.modules) - before if name.startswith("archselect_file")
    ]


def test_a_setting_of_an_unknown_type(write):
    path = write(GOOD.replace(": Literal[", ": Litteral["))
    assert message(path).startswith(
        f"{path}: First: PydanticUndefinedAnnotation: name 'Litteral' is not defined"
    )


def test_no_such_file(tmp_path):
    assert message("absent.py:First").startswith(
        "there is no file absent.py: name a Python file and a class in it"
    )
    assert message(f"{tmp_path}/x.py") == message(Path(f"{tmp_path}/x.py"))
