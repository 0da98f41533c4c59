"""The locks: every package that an installation takes is named with its version and the hashes of its files."""

from __future__ import annotations

import re
import tomllib

import pytest

PACKAGES = ["requirements.lock", "requirements-without-torch.lock"]
LOCKS = [*PACKAGES, ".ci/tools.lock"]


def plain(name):
    """A package's name as the registry compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text):
    """Versions by package."""
    return {
        plain(name): version
        for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    }


@pytest.fixture(scope="module")
def constraints(root):
    return pins((root / "constraints.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_a_version_and_hashes(root, name):
    text = (root / name).read_text(encoding="utf-8")
    logical = text.replace("\\\n", " ").splitlines()
    head = [line for line in logical if line.startswith("#")]
    entries = [line.strip() for line in logical if line not in head]
    entry = re.compile(r"[\w.-]+==[\w.+]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert head[-1].split() == ["#", ".ci/lock"]
    assert len(entries) > 10 and all(map(entry.fullmatch, entries))


@pytest.mark.parametrize("name", LOCKS)
def test_versions_are_those_that_are_tested(root, constraints, name):
    """Run .ci/lock after a change of constraints.txt."""
    locked = pins((root / name).read_text(encoding="utf-8"))
    assert {
        package: version
        for package, version in locked.items()
        if package in constraints
    } == {package: constraints[package] for package in locked if package in constraints}
    if name in PACKAGES:
        assert locked.keys() <= constraints.keys()


@pytest.mark.parametrize(
    ("name", "left_out"),
    [("requirements.lock", set()), ("requirements-without-torch.lock", {"torch"})],
)
def test_the_lock_has_all_that_archselect_needs(root, name, left_out):
    content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    to_run = content["project"]["dependencies"]
    to_build = content["build-system"]["requires"]
    needed = {plain(re.match(r"[\w.-]+", text)[0]) for text in [*to_run, *to_build]}
    locked = pins((root / name).read_text(encoding="utf-8")).keys()
    assert needed - locked == left_out


def test_without_torch_there_is_no_cuda_either(root):
    full, light = (
        pins((root / name).read_text(encoding="utf-8")).keys() for name in PACKAGES
    )
    assert light < full
    of_cuda = re.compile(r"torch|triton|cuda-\w+|nvidia-[\w-]+")
    assert all(map(of_cuda.fullmatch, full - light))
    assert not any(map(of_cuda.fullmatch, light))


def test_the_lock_of_ci_has_tox(root):
    assert "tox" in pins((root / ".ci" / "tools.lock").read_text(encoding="utf-8"))


def test_ci_and_the_action_take_packages_by_their_hashes(root):
    for path in (
        root / ".ci" / "run",
        root / ".github" / "actions" / "compare" / "action.yml",
    ):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        installs = [line.strip() for line in text.splitlines() if "pip install" in line]
        assert installs
        for line in installs:
            # Torch comes from an index of its own, and archselect is a folder: neither
            # has a hash in a lock.
            assert "--require-hashes" in line or (
                line.endswith((" torch", '"$root"')) and "--no-deps" in line
            ), line


def test_actions_are_named_by_commit(root):
    """A tag can be moved to other code."""
    named = []
    for path in [
        *root.rglob(".github/**/*.yml"),
        *root.glob("docs/**/*.md"),
        root / "README.md",
    ]:
        named += re.findall(r"uses:\s*(\S+)", path.read_text(encoding="utf-8"))
    assert named
    for action in named:
        assert re.fullmatch(r"[\w./-]+@([0-9a-f]{40}|COMMIT)|\./\S*", action), action
