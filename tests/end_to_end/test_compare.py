"""The command line in a build: run twice, compare, gate, merge."""

import json
import re
import subprocess
from xml.etree import ElementTree

CRIPPLED = """
from typing import ClassVar

from archselect.selectors.base import Log, Selection, Selector, Task


class Crippled(Selector):
    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "the first operation of every edge, which is none"

    def select(self, task: Task) -> Selection:
        decisions = task.space.undecided()
        for cell, edge in decisions.open_edges():
            decisions = decisions.decide(cell, edge, 0)
        return Log().selection(decisions.architecture())
"""


def test_gates_in_a_build(world):
    seeds = ("supernet = [0, 1]", "supernet = [0, 1, 2, 3]")
    world.study(seeds)
    run = ("run", "small.toml", "--workers", "1", "--out")
    assert world.run(*run, "base").returncode == 0
    assert world.run("baseline", "base", "baseline.json").returncode == 0
    gates = ("--fail-if", "accuracy_drop>1%", "--fail-if", "score_forwards_increase>10%")
    files = ("--json", "out.json", "--junit", "out.xml", "--markdown", "out.md")
    summary = world.folder / "summary.md"
    summary.write_text("Before.\n")
    environment = world.environment | {"GITHUB_STEP_SUMMARY": str(summary)}

    def compare(*arguments):
        words = world.command("compare", *arguments)
        return subprocess.run(words, cwd=world.folder, env=environment, capture_output=True, text=True, timeout=120)

    same = compare("baseline.json", "base", *gates)
    assert same.returncode == 0, same.stderr
    assert "All 2 gates hold" in same.stdout and " worse" not in same.stdout.split("Change:")[0]
    assert summary.read_text() == "Before.\n" + same.stdout

    (world.folder / "crippled.py").write_text(CRIPPLED)
    study = world.study(seeds, ('name = "random"', 'name = "crippled.py:Crippled"'), name="crippled.toml")
    assert world.run("run", study, "--workers", "1", "--out", "new").returncode == 0
    worse = compare("baseline.json", "new", *gates, *files)
    assert worse.returncode == 1, worse.stderr
    assert "1 of 2 gates failed**: `accuracy_drop>1%`" in worse.stdout
    assert (world.folder / "out.md").read_text() == worse.stdout
    content = json.loads((world.folder / "out.json").read_text())
    assert [g["selector"] for g in content["gates"] if g["status"] == "failed"] == ["random"]
    assert ElementTree.parse(world.folder / "out.xml").getroot().get("failures") == "1"
    assert summary.read_text().endswith(worse.stdout)

    bad = compare("baseline.json", "new", "--fail-if", "accuracy")
    assert bad.returncode == 2 and len(bad.stderr.strip().splitlines()) == 1

    more = world.study(("supernet = [0, 1]", "supernet = [4]"), name="more.toml")
    assert world.run("run", more, "--workers", "1", "--out", "more").returncode == 0
    refused = world.run("merge", "base", "more", "--out", "merged")
    assert refused.returncode == 2 and "their source differ" in refused.stderr
    assert world.run("run", "small.toml", "--seeds", "4", "--workers", "1", "--out", "seeds").returncode == 0
    merged = world.run("merge", "base", "seeds", "--out", "merged")
    assert merged.returncode == 0, merged.stderr
    assert len(list((world.folder / "merged" / "records").glob("*.json"))) == 20


def test_the_readmes_selector_passes_the_check(world, root):
    text = (root / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text.partition("## A selector of your own")[2], re.DOTALL)[:1]
    (world.folder / "cautious.py").write_text(code)
    assert len(code.partition("class ")[2].splitlines()) < 20
    done = world.run("check", "cautious.py:Cautious", "--space", "nb201", "--space", "s3")
    assert done.returncode == 0, done.stdout
