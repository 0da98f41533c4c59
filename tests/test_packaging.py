"""What is built knows the commit that it is built from, also where git is not at hand."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

pytest.importorskip("setuptools", minversion="77")

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
            "py.typed",
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


@pytest.mark.slow
def test_a_wheel_built_from_an_sdist_knows_its_commit(checkout, tmp_path):
    head = git(checkout, "rev-parse", "HEAD")
    everything, nothing = os.environ["PATH"], str(tmp_path / "no commands")
    sdist = build("sdist", checkout, tmp_path, everything)
    tree = unpacked(sdist, tmp_path / "tree")
    assert not (tree / ".git").exists()
    assert commit_in(build("wheel", tree, tmp_path, nothing)) == head
    # So does a wheel of an sdist of the unpacked sdist.
    again = build("sdist", tree, tmp_path / "again", nothing)
    assert (
        commit_in(
            build("wheel", unpacked(again, tmp_path / "second"), tmp_path, nothing)
        )
        == head
    )


@pytest.mark.slow
def test_a_wheel_of_a_changed_checkout_says_so(checkout, tmp_path):
    head = git(checkout, "rev-parse", "HEAD")
    assert commit_in(build("wheel", checkout, tmp_path, os.environ["PATH"])) == head
    with (checkout / "README.md").open("a") as file:
        file.write("changed\n")
    try:
        assert (
            commit_in(build("wheel", checkout, tmp_path, os.environ["PATH"]))
            == f"{head}-dirty"
        )
    finally:
        git(checkout, "checkout", "-q", "README.md")


@pytest.mark.slow
def test_a_tree_that_is_no_checkout_and_no_sdist_knows_no_commit(checkout, tmp_path):
    archive = tmp_path / "tree.tar"
    git(checkout, "archive", "-o", str(archive), "--prefix", "archselect/", "HEAD")
    tree = unpacked(archive, tmp_path / "tree")
    assert commit_in(build("wheel", tree, tmp_path, os.environ["PATH"])) is None
