"""The command line in a build: run twice, compare, gate, merge."""

import json
import re
from xml.etree import ElementTree

import pytest
from support.small import QUICK

CRIPPLED = """
from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task


class Crippled(Selector):
    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "the first operation of every edge, which is none"

    def select(self, task: Task) -> Selection:
        search = task.search()
        for edge in search.open_edges():
            search.decide(edge, operation=0)
        return search.selection()
"""


@pytest.mark.slow
def test_gates_in_a_build(world, archselect, inline, monkeypatch):
    seeds = ("supernet = [0, 1]", "supernet = [0, 1, 2, 3]")
    world.study(seeds, *QUICK)
    assert archselect("run", "small.toml", "--out", "base")[0] == 0
    assert archselect("baseline", "base", "baseline.json")[0] == 0
    gates = (
        "--fail-if",
        "accuracy_drop>1pt",
        "--fail-if",
        "score_forwards_increase>10%",
    )
    files = ("--json", "out.json", "--junit", "out.xml", "--markdown", "out.md")
    summary = world.folder / "summary.md"
    summary.write_text("Before.\n")
    monkeypatch.setenv(
        "GITHUB_STEP_SUMMARY", str(summary)
    )  # the real command gets it too
    code, same, err = archselect("compare", "baseline.json", "base", *gates)
    assert code == 0, err
    assert "All 2 gates hold" in same and " worse" not in same.split("Change:")[0]
    assert summary.read_text() == "Before.\n" + same

    (world.folder / "crippled.py").write_text(CRIPPLED)
    study = world.study(
        seeds,
        *QUICK,
        ('name = "random"', 'name = "crippled.py:Crippled"'),
        name="crippled.toml",
    )
    assert archselect("run", study, "--out", "new")[0] == 0
    worse = world.run("compare", "baseline.json", "new", *gates, *files)
    assert worse.returncode == 1, worse.stderr
    assert "1 of 2 gates failed**: `accuracy_drop>1pt`" in worse.stdout
    assert (world.folder / "out.md").read_text() == worse.stdout
    content = json.loads((world.folder / "out.json").read_text())
    assert [g["selector"] for g in content["gates"] if g["status"] == "failed"] == [
        "random"
    ]
    assert ElementTree.parse(world.folder / "out.xml").getroot().get("failures") == "1"
    assert summary.read_text().endswith(worse.stdout)

    code, _, err = archselect(
        "compare", "baseline.json", "new", "--fail-if", "accuracy"
    )
    assert code == 2 and len(err.strip().splitlines()) == 1

    code, _, err = archselect("merge", "base", "new", "--out", "merged")
    assert code == 2 and "their source differ" in err
    assert archselect("run", "small.toml", "--seeds", "4", "--out", "seeds")[0] == 0
    code, _, err = archselect("merge", "base", "seeds", "--out", "merged")
    assert code == 0, err
    assert len(list((world.folder / "merged" / "records").glob("*.json"))) == 15


def test_the_readmes_selector_passes_the_check(world, archselect, root):
    text = (root / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(
        r"```python\n(.*?)```",
        text.partition("**Benchmark a selector of your own.**")[2],
        re.DOTALL,
    )[:1]
    (world.folder / "cautious.py").write_text(code)
    assert len(code.partition("class ")[2].splitlines()) < 20
    code, out, _ = archselect(
        "check", "cautious.py:Cautious", "--space", "nb201", "--space", "s3"
    )
    assert code == 0, out
