"""What is built knows its version and its commit, also where git is not at hand."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

pytest.importorskip("setuptools", minversion="77")
setuptools_scm = pytest.importorskip("setuptools_scm")

VERSION = "1.2.3"

BUILD = "from setuptools import build_meta; print(build_meta.build_{kind}({folder!r}))"


def git(root, *arguments):
    command = [
        "git",
        "-C",
        str(root),
        "-c",
        "user.name=n",
        "-c",
        "user.email=e",
        *arguments,
    ]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def build(kind, tree, folder, path):
    """Build an sdist or a wheel of a tree with the installed setuptools, with the commands of `path`; its file."""
    code = BUILD.format(kind=kind, folder=str(folder))
    environment = os.environ | {"PATH": path}
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder / result.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def checkout(root, tmp_path_factory):
    """A checkout of its own, of the files as they are now."""
    tree = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        [
            "git",
            "-C",
            str(root),
            "ls-files",
            "*.py",
            "*.toml",
            "*.md",
            "LICENSE",
            "MANIFEST.in",
            "py.typed",
            ".git_archival.txt",
            ".gitattributes",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not in a checkout")
    for name in listed.stdout.splitlines():
        if not name.startswith(("docs/", "tests/")) and (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((root / name).read_bytes())
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "all")
    git(tree, "tag", f"v{VERSION}")
    return tree


def commit_in(wheel):
    """The text of a wheel's file; None if there is none."""
    with zipfile.ZipFile(wheel) as file:
        name = "archselect/benchmarks/commit.txt"
        return file.read(name).decode().strip() if name in file.namelist() else None


def unpacked(sdist, folder):
    """The tree of an sdist, unpacked into a folder."""
    with tarfile.open(sdist) as file:
        file.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return tree


def version_of(built):
    """The version in the name of an sdist or a wheel."""
    return built.name.removesuffix(".tar.gz").split("-")[1]


@pytest.mark.slow
def test_a_wheel_built_from_an_sdist_knows_its_commit(checkout, tmp_path):
    head = git(checkout, "rev-parse", "HEAD")
    everything, nothing = os.environ["PATH"], str(tmp_path / "no commands")
    sdist = build("sdist", checkout, tmp_path, everything)
    tree = unpacked(sdist, tmp_path / "tree")
    assert not (tree / ".git").exists()
    wheel = build("wheel", tree, tmp_path, nothing)
    assert commit_in(wheel) == head
    # So does a wheel of an sdist of the unpacked sdist.
    again = build("sdist", tree, tmp_path / "again", nothing)
    second = build("wheel", unpacked(again, tmp_path / "second"), tmp_path, nothing)
    assert commit_in(second) == head
    built = (sdist, wheel, again, second)
    assert [version_of(one) for one in built] == [VERSION] * 4


@pytest.mark.slow
def test_a_wheel_of_a_changed_checkout_says_so(checkout, tmp_path):
    head = git(checkout, "rev-parse", "HEAD")
    assert commit_in(build("wheel", checkout, tmp_path, os.environ["PATH"])) == head
    with (checkout / "README.md").open("a") as file:
        file.write("changed\n")
    try:
        changed = build("wheel", checkout, tmp_path, os.environ["PATH"])
    finally:
        git(checkout, "checkout", "-q", "README.md")
    assert commit_in(changed) == f"{head}-dirty"
    assert version_of(changed).startswith("1.2.4.dev0+")


@pytest.mark.slow
def test_a_wheel_of_an_archive_of_a_commit_knows_it(checkout, tmp_path):
    """What GitHub packs for a release, and for an action that a workflow names."""
    head = git(checkout, "rev-parse", "HEAD")
    archive = tmp_path / "tree.tar"
    git(checkout, "archive", "-o", str(archive), "--prefix", "archselect/", "HEAD")
    tree = unpacked(archive, tmp_path / "tree")
    wheel = build("wheel", tree, tmp_path, str(tmp_path / "no commands"))
    assert commit_in(wheel) == head
    assert version_of(wheel) == VERSION


@pytest.mark.slow
def test_a_tree_that_is_no_checkout_and_no_sdist_knows_no_commit(checkout, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(
        checkout, tree, ignore=shutil.ignore_patterns(".git", "build", "*.egg-info")
    )
    wheel = build("wheel", tree, tmp_path, os.environ["PATH"])
    assert commit_in(wheel) is None
    assert version_of(wheel) == "0.0"


def test_a_checkout_without_a_tag_counts_its_commits(root, tmp_path):
    (tmp_path / "pyproject.toml").write_bytes((root / "pyproject.toml").read_bytes())
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "all")
    name = git(tmp_path, "rev-parse", "HEAD")
    configuration = setuptools_scm.Configuration.from_file(tmp_path / "pyproject.toml")
    version = setuptools_scm.get_version(
        tmp_path, fallback_version=configuration.fallback_version
    )
    release, _, local = version.partition("+g")
    assert release == "0.1.dev1"
    assert name.startswith(local.partition(".")[0])
