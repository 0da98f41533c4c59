"""The shell steps of the composite action, run as a build server runs them."""

import os
import re
import shutil
import subprocess
import textwrap

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None, reason="the action's steps are for bash"
)

FAKE = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" | tr '\\n' '\\001' >> "$CALLS"
printf '\\n' >> "$CALLS"
case "$(basename "$0") $1" in
  "archselect run") exit "${RUN_CODE:-0}" ;;
  "archselect compare") exit "${COMPARE_CODE:-0}" ;;
  *) exit "${PIP_CODE:-0}" ;;
esac
"""
"""A command that notes how it was called and ends with a code of the environment."""


COMPARES_ONLY = """#!/bin/sh
if [ "$1" = compare ]; then exec "REAL" "$@"; fi
"""
"""A command that does nothing where it would run a study."""


class Step:
    """One step of the action: its script, condition and environment as they are written."""

    def __init__(self, text):
        self.name, _, rest = text.partition("\n")
        self.id = re.search(r"^      id: (\w+)$", text, re.MULTILINE)[1]
        condition = re.search(r"^      if: \$\{\{ (.+) \}\}$", text, re.MULTILINE)
        self.condition = condition[1] if condition else "success()"
        self.environment = dict(
            re.findall(r"^        (\w+): \$\{\{ ([\w.-]+) \}\}$", text, re.MULTILINE)
        )
        lines = rest.partition("      run: |\n")[2].splitlines()
        own = [
            line for line in lines if line.startswith("        ") or not line.strip()
        ]
        self.script = textwrap.dedent("\n".join(own))


class Action:
    """The action's text, its inputs and its steps; `run` does what a build server does with it."""

    def __init__(self, text):
        self.text = text
        head, _, body = text.partition("\nruns:")
        inputs, _, outputs = head.partition("\noutputs:")
        self.defaults = {
            name: value.strip('"')
            for name, value in re.findall(
                r"^  ([\w-]+):\n(?:    .*\n|      .*\n)*?    default: (.*)$",
                inputs,
                re.MULTILINE,
            )
        }
        self.outputs = dict(
            re.findall(
                r"^  (\w+):\n(?:.*\n)*?    value: \$\{\{ ([\w.]+) \}\}$",
                outputs,
                re.MULTILINE,
            )
        )
        self.steps = [Step(part) for part in body.split("    - name: ")[1:]]

    def run(self, folder, environment, cancelled=False, **inputs):
        """The outcome of the whole ("success" or "failure"), its outputs, and what the steps ended with."""
        values = {f"inputs.{name}": value for name, value in self.defaults.items()}
        values |= {
            f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()
        }
        failed, done = False, {}
        for number, step in enumerate(self.steps):
            if not self._wanted(step.condition, values, failed, cancelled):
                values[f"steps.{step.id}.outcome"] = "skipped"
                continue
            file = folder / f"output-{number}"
            file.touch()
            names = {
                name: values.get(source, "")
                for name, source in step.environment.items()
            }
            # As a server runs 'shell: bash'.
            done[step.id] = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.script],
                cwd=folder,
                env=environment | names | {"GITHUB_OUTPUT": str(file)},
                capture_output=True,
                text=True,
                timeout=300,
            )
            code = done[step.id].returncode
            failed = failed or code != 0
            values[f"steps.{step.id}.outcome"] = "success" if code == 0 else "failure"
            for name, value in read_outputs(file.read_text()).items():
                values[f"steps.{step.id}.outputs.{name}"] = value
        found = {name: values.get(source, "") for name, source in self.outputs.items()}
        return "failure" if failed else "success", found, done

    @staticmethod
    def _wanted(condition, values, failed, cancelled):
        """Whether a step is run: the parts that a condition may have here, joined by &&."""
        parts = condition.split(" && ")
        if (
            not any("cancelled()" in part or "success()" in part for part in parts)
            and failed
        ):
            return False
        for part in parts:
            if part in ("!cancelled()", "success()"):
                holds = not cancelled and not (failed and part == "success()")
            else:
                name, sign, text = re.fullmatch(
                    r"([\w.-]+) (==|!=) '(.*)'", part
                ).groups()
                holds = (values.get(name, "") == text) == (sign == "==")
            if not holds:
                return False
        return True


def read_outputs(text):
    """The outputs of a step's file, in both of its forms."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, sign, mark = re.fullmatch(r"([^=<]+)(=|<<)(.*)", line).groups()
        if sign == "=":
            found[name] = mark
        else:
            found[name] = "\n".join(iter(lambda: next(lines), mark))
    return found


@pytest.fixture(scope="module")
def action(root):
    return Action(
        (root / ".github" / "actions" / "compare" / "action.yml").read_text(
            encoding="utf-8"
        )
    )


@pytest.fixture
def fakes(tmp_path):
    """Fake `archselect` and `python` first in the path; `calls()` is how they were called."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    for name in ("archselect", "python"):
        (scripts / name).write_text(FAKE)
        (scripts / name).chmod(0o755)
    action_path = tmp_path / "check out" / ".github" / "actions" / "compare"
    action_path.mkdir(parents=True)
    log = tmp_path / "calls"
    environment = {
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "CALLS": str(log),
        "GITHUB_ACTION_PATH": str(action_path),
    }

    def calls():
        return (
            [line.rstrip("\x01").split("\x01") for line in log.read_text().splitlines()]
            if log.exists()
            else []
        )

    return environment, calls


def test_inputs_reach_scripts_through_the_environment_alone(action):
    assert [step.id for step in action.steps] == ["install", "run", "compare", "result"]
    for step in action.steps:
        assert step.script and "${{" not in step.script
        for source in step.environment.values():
            assert (
                not source.startswith("inputs.")
                or source.removeprefix("inputs.") in action.defaults
            )
    assert set(action.outputs) == {"result", "json", "markdown", "junit", "page"}


def test_it_installs_its_own_checkout(action, fakes, tmp_path):
    environment, calls = fakes
    outcome, _, _ = action.run(tmp_path, environment)
    assert outcome == "success"
    root = f"{environment['GITHUB_ACTION_PATH']}/../../.."
    pip = ["python", "-m", "pip", "install"]
    constraint = ["--constraint", f"{root}/constraints.txt"]
    index = ["--no-deps", "--index-url", "https://download.pytorch.org/whl/cpu"]
    locked = [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--requirement",
        f"{root}/requirements-without-torch.lock",
    ]
    own = ["--no-deps", "--no-build-isolation", root]
    assert calls()[:3] == [
        [*pip, *index, *constraint, "torch"],
        [*pip, *locked],
        [*pip, *own],
    ]
    assert [call[1] for call in calls()[3:]] == ["run"]


def test_nothing_runs_where_the_installation_fails(action, fakes, tmp_path):
    environment, calls = fakes
    outcome, outputs, done = action.run(
        tmp_path, environment | {"PIP_CODE": "1"}, baseline="b.json"
    )
    assert (
        outcome == "failure"
        and outputs["result"] == "error"
        and list(done) == ["install", "result"]
    )
    assert len(calls()) == 1


@pytest.mark.parametrize(
    ("run", "compare", "baseline", "outcome", "result"),
    [
        (0, 0, "b.json", "success", "holds"),
        (0, 1, "b.json", "failure", "failed"),
        (1, 0, "b.json", "failure", "run-failed"),
        (1, 1, "b.json", "failure", "failed"),
        (0, 2, "b.json", "failure", "error"),
        (2, 2, "b.json", "failure", "error"),
        (2, 0, "b.json", "failure", "error"),
        (0, 74, "b.json", "failure", "error"),
        (70, 0, "b.json", "failure", "error"),
        (0, None, "", "success", "not-compared"),
        (1, None, "", "failure", "run-failed"),
        (2, None, "", "failure", "error"),
    ],
)
def test_the_outcome_and_the_result(
    action, fakes, tmp_path, run, compare, baseline, outcome, result
):
    environment, calls = fakes
    codes = {"RUN_CODE": str(run), "COMPARE_CODE": str(compare)}
    found = action.run(
        tmp_path,
        environment | codes,
        baseline=baseline,
        install="false",
        out="an out folder",
    )
    assert found[0] == outcome and found[1]["result"] == result
    assert [call[1] for call in calls()] == ["run"] + ["compare"] * bool(baseline)
    assert found[1]["page"] == "an out folder/report.html"
    paths = (
        [f"an out folder/compare.{end}" for end in ("json", "md", "xml")]
        if baseline
        else [""] * 3
    )
    assert [found[1][name] for name in ("json", "markdown", "junit")] == paths


@pytest.mark.parametrize("strict", ["true", "false"])
def test_strict(action, fakes, tmp_path, strict):
    environment, calls = fakes
    action.run(
        tmp_path,
        environment,
        baseline="b.json",
        install="false",
        fail_if="tau_drop>1",
        strict=strict,
    )
    (compare,) = (call for call in calls() if call[1] == "compare")
    assert ("--strict" in compare) == (strict == "true")


def test_a_cancelled_job_compares_nothing(action, fakes, tmp_path):
    environment, calls = fakes
    action.run(
        tmp_path, environment, cancelled=True, baseline="b.json", install="false"
    )
    assert "compare" not in [call[1] for call in calls()]


HOSTILE = "$(touch made) `touch made`; touch made & \"'\\ *"


def test_hostile_text_stays_text(action, fakes, tmp_path):
    environment, calls = fakes
    inputs = {
        "study": f"--{HOSTILE}",
        "out": f"-{HOSTILE}\nresult=holds",
        "baseline": f"--fail-if={HOSTILE}",
        "selectors": f"{HOSTILE}\r\n\n  spaced.py:Own  \n \t\n # none.py:No\n",
        "fail_if": f"# of {HOSTILE}\n{HOSTILE}\n\t--json=other ",
    }
    _, outputs, done = action.run(
        tmp_path, environment | {"COMPARE_CODE": "1"}, install="false", **inputs
    )
    out = inputs["out"]
    assert not (tmp_path / "made").exists()
    assert all(not step.stderr for step in done.values())
    assert outputs["result"] == "failed" and outputs["page"] == f"{out}/report.html"
    # The fake writes a line for each call, in which this folder's name has a line
    # break.
    text = "\n".join("\x01".join(call) for call in calls())
    assert (
        f"--selector={HOSTILE}\x01--selector=spaced.py:Own\x01--\x01{inputs['study']}"
        in text
    )
    assert f"compare\x01--fail-if={HOSTILE}\x01--fail-if=--json=other\x01" in text
    assert text.endswith(
        f"\x01--\x01{inputs['baseline']}\x01{out}".replace("\n", "\x01")
    )


@pytest.mark.slow
def test_the_steps_with_the_real_command(world, archselect, finished, action):
    environment = world.environment | {
        "PATH": f"{world.scripts}:{world.environment['PATH']}",
        "GITHUB_STEP_SUMMARY": str(world.folder / "summary.md"),
    }
    shutil.copytree(
        finished[0], world.folder / "an out folder"
    )  # a server may have kept one
    assert archselect("baseline", "an out folder", "base line.json")[0] == 0
    assert archselect("new-selector", "own.py")[0] == 0
    text = (world.folder / "own.py").read_text()
    (world.folder / "own.py").write_text(
        text.replace("batch_size: int = 64", "batch_size: int = 16")
    )

    def run(gates):
        inputs = {
            "study": "small.toml",
            "out": "an out folder",
            "baseline": "base line.json",
            "install": "false",
        }
        return action.run(
            world.folder, environment, selectors="own.py:Own\n", fail_if=gates, **inputs
        )

    outcome, outputs, done = run("accuracy_drop>50pt\nscore_forwards_increase>10%\n")
    assert (outcome, outputs["result"]) == ("success", "holds"), [
        step.stderr for step in done.values()
    ]
    assert (
        "own (darts)" in done["run"].stdout
        and "4 runs made, 8 kept" in done["run"].stdout
    )
    assert (world.folder / "summary.md").read_text() == done["compare"].stdout
    assert all(
        (world.folder / outputs[name]).is_file()
        for name in ("json", "markdown", "junit", "page")
    )
    # The study is finished, and to run it again would change nothing.
    command = world.folder / "compares only" / "archselect"
    command.parent.mkdir()
    command.write_text(COMPARES_ONLY.replace("REAL", str(world.scripts / "archselect")))
    command.chmod(0o755)
    environment["PATH"] = f"{command.parent}:{environment['PATH']}"
    assert run("")[1]["result"] == "holds"
    assert run("nonsense")[1]["result"] == "error"
