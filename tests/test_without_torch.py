"""The distribution archselect-reports: reads results without torch, and says what needs it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from archselect.nasbench_adapters.distribution import (
    LEFT_OUT,
    REPORTS,
    missing_package,
)

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
COLUMN = [
    "--table",
    "nb201-digits",
    "--dataset",
    "digits",
    "--split",
    "test",
    "--epochs",
    "10",
]
READING = [
    ["--version"],
    ["report", "results"],
    ["baseline", "results", "baseline.json"],
    ["compare", "baseline.json", "results", "--json", "compared.json"],
    ["status", "results"],
    ["list", "truths"],
    ["list", "selectors"],
    ["truth", "list", "nb201-digits"],
    ["truth", "lookup", CELL, *COLUMN],
    ["draw", CELL, "--space", "nb201"],
    ["doctor"],
]
NEEDS_TORCH = ["run", "quickstart"]

IN_ONE_PROCESS = """
import json, sys

class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if name in {left_out}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, LeftOut())
from archselect.benchmarks.cli import main

codes = []
for words in {commands}:
    sys.argv = ["archselect", *words]
    try:
        main()
    except SystemExit as end:
        codes.append(end.code or 0)
print(json.dumps(codes), file=sys.stderr)
"""


def test_reading_needs_no_torch_and_running_says_that_it_does(root, tmp_path):
    small = root / "docs" / "results" / "zero-cost-pt-darts-cpu"
    shutil.copytree(small, tmp_path / "results")
    code = IN_ONE_PROCESS.format(
        left_out=set(LEFT_OUT), commands=[*READING, NEEDS_TORCH]
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    *_, message, codes = done.stderr.splitlines()
    assert json.loads(codes) == [0] * len(READING) + [2], done.stderr
    assert message.startswith("archselect: this command needs torch, which")
    assert "Without torch nothing can be run here." in done.stdout
    assert json.loads((tmp_path / "compared.json").read_text())


@pytest.mark.parametrize("module", LEFT_OUT)
def test_the_message_names_the_package(module):
    error = ModuleNotFoundError(name=module)
    assert LEFT_OUT[module] in missing_package(error)


def test_another_missing_module_is_no_matter_of_the_distribution():
    assert missing_package(ModuleNotFoundError(name="pandas")) is None
    assert missing_package(ModuleNotFoundError()) is None


def test_it_requires_all_packages_but_those_left_out(root, tmp_path):
    full = (root / "pyproject.toml").read_text(encoding="utf-8")
    edited = tmp_path / "pyproject.toml"
    edited.write_text(full, encoding="utf-8")
    subprocess.run([root / ".ci" / "leave_out_torch", edited], check=True)
    project = tomllib.loads(full)["project"]
    light = tomllib.loads(edited.read_text(encoding="utf-8"))["project"]
    left_out = set(project["dependencies"]) - set(light["dependencies"])
    names = {re.split(r"[<>=]", requirement)[0] for requirement in left_out}
    assert light["name"] == REPORTS
    assert names == set(LEFT_OUT.values())
    changed = {key for key in project if project[key] != light[key]}
    assert changed == {"name", "description", "dependencies"}
