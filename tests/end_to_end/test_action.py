"""The shell steps of the composite action, run as a build server runs them."""

import re
import shutil
import subprocess
import textwrap

import pytest


@pytest.fixture
def steps(root):
    """The scripts of the action by the names of their steps."""
    text = (root / ".github" / "actions" / "compare" / "action.yml").read_text(encoding="utf-8")
    found = {}
    for part in text.split("    - name: ")[1:]:
        name, script = part.partition("\n")[0], part.partition("      run: |\n")[2]
        found[name] = textwrap.dedent(script)
        # Inputs come in through the environment alone, where they cannot become commands.
        assert "${{" not in script
        environment = dict(re.findall(r"^        (\w+): \$\{\{ inputs\.([\w-]+) \}\}$", part, re.MULTILINE))
        declared = set(re.findall(r"^  ([\w-]+):$", text.partition("\nruns:")[0], re.MULTILINE))
        assert environment and set(environment.values()) <= declared
    return found


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="the action's steps are for bash")
def test_the_steps(world, archselect, finished, steps):
    assert list(steps) == ["Install", "Run the study", "Compare with the baseline"]

    def run(step, **environment):
        own = world.environment | environment | {"GITHUB_STEP_SUMMARY": str(world.folder / "summary.md")}
        own["PATH"] = f"{world.scripts}:{own['PATH']}"
        # As a server runs 'shell: bash'.
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[step]]
        return subprocess.run(words, cwd=world.folder, env=own, capture_output=True, text=True, timeout=1200)

    study = {"STUDY": "small.toml", "OUT": "an out folder"}
    shutil.copytree(finished[0], world.folder / "an out folder")  # a server may have kept one
    done = run("Run the study", **study, SELECTORS="")
    assert done.returncode == 0, done.stderr
    assert archselect("baseline", "an out folder", "base line.json")[0] == 0
    assert archselect("new-selector", "own.py")[0] == 0
    text = (world.folder / "own.py").read_text()
    (world.folder / "own.py").write_text(text.replace("minibatch: int = 64", "minibatch: int = 16"))
    done = run("Run the study", **study, SELECTORS="own.py:Own\n")
    assert done.returncode == 0 and "own (darts)" in done.stdout, done.stderr
    assert "4 runs made, 8 kept" in done.stdout
    gates = {"BASELINE": "base line.json", "OUT": "an out folder"}
    done = run("Compare with the baseline", **gates, GATES="accuracy_drop>50pt\nscore_forwards_increase>10%\n")
    assert done.returncode == 0, done.stderr
    assert (world.folder / "summary.md").read_text() == done.stdout
    assert {"compare.json", "compare.xml", "compare.md"} <= {p.name for p in (world.folder / "an out folder").iterdir()}
    assert run("Compare with the baseline", **gates, GATES="").returncode == 0
    assert run("Compare with the baseline", **gates, GATES="nonsense").returncode == 2
