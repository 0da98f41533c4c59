"""Writes into a wheel the commit that it is built from; everything else is in pyproject.toml."""

import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Builds the packages, and `archselect/benchmarks/commit.txt` where this is a checkout."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode and (Path(__file__).parent / ".git").exists():
            command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            if found.returncode == 0:
                folder = Path(self.build_lib, "archselect", "benchmarks")
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "commit.txt").write_text(found.stdout)


setup(cmdclass={"build_py": BuildPy})
