"""Outputs that cannot show or take what a command prints: real processes, whose exit codes keep their meaning."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest
from support.small import QUICK

GATES = ("--fail-if", "score_forwards_increase>10%")


@pytest.fixture
def shell(world, copied):
    """`shell(redirection, *arguments, **variables)` is the exit code, output and errors of a command of a shell."""

    def run(redirection, *arguments, **variables):
        script = f'"$@" {redirection}; exit "${{PIPESTATUS[0]}}"'
        return subprocess.run(
            ["bash", "-c", script, "bash", *world.command(*arguments)],
            cwd=world.folder,
            env=world.environment | variables,
            capture_output=True,
            timeout=300,
        )

    return run


def gated(world, shell, redirection, gates=GATES, **variables):
    """A comparison of the finished folder with itself, and whether all its files are there and whole."""
    files = [
        world.folder / name for name in ("summary.md", "out.md", "out.json", "out.xml")
    ]
    for file in files:
        file.unlink(missing_ok=True)
    options = ("--markdown", "out.md", "--json", "out.json", "--junit", "out.xml")
    done = shell(
        redirection,
        "compare",
        "out",
        "out",
        *gates,
        *options,
        GITHUB_STEP_SUMMARY=str(files[0]),
        **variables,
    )
    assert files[0].read_bytes() == files[1].read_bytes() and "✅" in files[
        0
    ].read_text(encoding="utf-8")
    ElementTree.parse(files[3])
    return done


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_encoding_without_our_marks(world, shell, encoding):
    done = gated(world, shell, "", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and done.stderr == b""
    assert "[ok] **" in done.stdout.decode(encoding)


@pytest.mark.slow
def test_outputs_that_take_nothing(world, shell):
    """A reader that is gone changes nothing; a full disk is said, and is no failed gate."""
    for redirection in (
        "| true",
        "2>&1 | true",
        "| head -1 >/dev/null",
        ">&-",
        ">&- 2>&-",
    ):
        done = gated(world, shell, redirection)
        assert done.returncode == 0 and done.stderr == b"", redirection
    done = gated(world, shell, ">/dev/full")
    assert done.returncode == 74
    assert (
        done.stderr
        == b"archselect: cannot write to standard output: No space left on device\n"
    )
    done = shell(">/dev/full", "list", "nonsense")
    assert done.returncode == 2 and done.stderr.startswith(
        b"archselect: unknown kind of thing"
    )


@pytest.mark.slow
def test_what_a_selector_prints_fails_no_run(world, shell):
    """Neither with a mark that the encoding lacks nor where the reader is gone."""
    text = (
        "from typing import ClassVar\n\nfrom archselect.selectors.base import Selector\n\n\n"
        "class Loud(Selector):\n    name: ClassVar[str] = 'loud'\n    summary: ClassVar[str] = 'prints'\n\n"
        "    def select(self, task):\n        print('✅ ' * 100_000, flush=True)\n"
        "        return task.search().selection(task.space.sample(task.rng))\n"
    )
    (world.folder / "loud.py").write_text(text, encoding="utf-8")
    world.study(*QUICK)
    arguments = (
        "run",
        "small.toml",
        "--selector",
        "loud.py:Loud",
        "--out",
        "loud",
        "--workers",
        "1",
        "--seeds",
        "0",
    )
    done = shell("| true", *arguments, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0 and done.stderr == b""
    assert (
        not list((world.folder / "loud").glob("failures/*"))
        and (world.folder / "loud" / "report.html").is_file()
    )


def test_python_dash_m(world):
    """The same command, also beside files that have the names of modules."""
    for name in ("selectors.py", "torch.py", "subprocess.py"):
        (world.folder / name).write_text(
            "raise SystemExit(f'{__name__} was imported')\n"
        )
    for words in (["--version"], ["-h"]):
        module, command = (
            subprocess.run(
                start,
                cwd=world.folder,
                env=world.environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            for start in (
                [sys.executable, "-m", "archselect", *words],
                world.command(*words),
            )
        )
        assert (module.returncode, module.stderr) == (0, "")
        assert (
            module.stdout.replace("python -m archselect", "archselect")
            == command.stdout
        )


def test_all_files_of_a_study_obey_the_umask(finished):
    """Its command had the umask 027."""
    paths = list(finished[0].rglob("*"))
    assert len(paths) > 20
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in paths}
    assert modes == {(True, 0o750), (False, 0o640)}
