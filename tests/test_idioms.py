"""The check of idioms: it reads every kind of text, and names the line."""

import pytest
from support import idioms


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("docstring.py", '"""One.\n\nA name that comes twice.\n"""\n', 3),
        ("message.py", 'x = 1\nraise ValueError(f"{x} comes twice")\n', 2),
        ("comment.py", "x = 1\n# A name that comes\n# twice.\n", 2),
        ("page.md", "# Title\n\nA name that comes\ntwice.\n", 3),
        ("reference.py", 'def f():\n    """See :meth:`.Task.tune`."""\n', 2),
        ("noun.py", '"""One.\n\nArgs:\n    seed: of the run.\n"""\n', 4),
    ],
)
def test_an_idiom_is_found_on_its_line(tmp_path, name, source, line):
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    texts = list(idioms.texts_of_file(path))
    assert [found for text in texts for _, found in idioms.occurrences(text)] == [line]


def test_plain_words_are_no_idiom(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text(
        '"""Return a name.\n\nArgs:\n    seed: seed of the run. See :meth:`.Task.tune`.\n"""\n# Two lines\n'
        "x = 1  # of code\n",
        encoding="utf-8",
    )
    assert not [
        idiom
        for text in idioms.texts_of_file(path)
        for idiom in idioms.occurrences(text)
    ]


@pytest.mark.parametrize(
    ("folder", "source", "code"),
    [
        ("benchmarks", '"""A name comes twice."""\n', 1),
        ("reports", '"""A name comes twice."""\n', 0),
        ("reports", '"""The task is told a name."""\n', 1),
    ],
)
def test_an_idiom_is_banned_where_it_was_removed(
    tmp_path, monkeypatch, capsys, folder, source, code
):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "file.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["idioms.py", "--check", str(tmp_path)])
    assert idioms.main() == code
    assert (f"{folder}/file.py:1: " in capsys.readouterr().out) == bool(code)
