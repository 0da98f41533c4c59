"""A folder received from elsewhere, with links and pipes in place of its own: nothing outside of it changes."""

import os
import shutil

import pytest

from archselect.benchmarks.runs.journal import Journal
from archselect.benchmarks.store.facts import read_fact_if_there
from archselect.benchmarks.store.folder import REPORT_FILES, WRITTEN_FILES, Folder
from archselect.benchmarks.store.logs import log_to
from archselect.benchmarks.store.records import Failure, Record
from archselect.benchmarks.store.status import read_status
from archselect.nasbench_adapters.errors import UserError

RUN = ("run", "small.toml", "--out", "out", "--workers", "1", "--device", "cpu")
ID = "0123456789abcdef"
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


@pytest.fixture
def victim(world):
    """A file outside of the folder, and a folder of it."""
    path = world.folder / "precious" / "file"
    path.parent.mkdir()
    path.write_text("precious")
    return path


def entry(name):
    """The folder's own file or folder, of those within it, that a file is written to."""
    return name.partition("/")[0]


def replace_by_link(place, victim):
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(victim.parent if "." not in place.name else victim)


@pytest.mark.parametrize("name", WRITTEN_FILES)
def test_a_link_is_refused_before_anything_runs(refusal, copied, victim, name):
    place = copied / entry(name)
    replace_by_link(place, victim)
    line = refusal(*RUN)
    assert (
        f"out/{entry(name)} is a link, and archselect does not write through links; replace it by its target"
        in line
    )
    assert victim.read_text() == "precious" and len(list(victim.parent.iterdir())) == 1
    if name in REPORT_FILES:
        assert "is a link" in refusal("report", "out")


@pytest.mark.parametrize(
    "name",
    [
        "records.parquet",
        "report.html",
        "study.json",
        "logs/any.jsonl",
        "progress/any.jsonl",
    ],
)
def test_a_pipe_keeps_nobody_waiting(refusal, copied, name):
    place = copied / entry(name)
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    assert f"out/{entry(name)} is a pipe, not a f" in refusal(*RUN)


@pytest.mark.parametrize("kind", ["records", "landscapes"])
def test_a_pipe_among_the_facts_keeps_nobody_waiting(refusal, copied, kind):
    os.mkfifo(copied / kind / f"{ID}.json")
    (copied / "records.parquet").unlink(missing_ok=True)
    assert f"cannot read out/{kind}/{ID}.json: it is a pipe, not a file" in refusal(
        "report", "out"
    )


def test_a_lock_that_is_a_link_empties_nothing(refusal, copied, victim):
    (copied / ".lock").unlink(missing_ok=True)
    (copied / ".lock").symlink_to(victim)
    assert "out/.lock is a link" in refusal(*RUN)
    assert victim.read_text() == "precious"


def test_the_folder_itself_may_be_a_link(archselect, copied, world):
    """Say, to a larger disk: that is the user's own choice."""
    copied.rename(world.folder / "elsewhere")
    copied.symlink_to("elsewhere")
    code, printed, err = archselect(*RUN)
    assert (code, err) == (0, "") and "0 runs made, 8 kept" in printed


def links(path, victim):
    """A link, a hard link and a pipe in place of a file, one after the other."""
    for put in (path.symlink_to, path.hardlink_to, lambda _: os.mkfifo(path)):
        put(victim)
        yield path
        path.unlink()


def test_a_journal_and_a_log_are_written_through_no_link(tmp_path):
    """Those are added to, line by line, where all other files are written anew."""
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    for name in ("progress", "logs"):
        (tmp_path / "out" / name).mkdir(parents=True)
    for _ in links(tmp_path / "out" / "logs" / f"{ID}.jsonl", victim):
        with (
            pytest.raises(UserError, match="cannot write"),
            log_to(tmp_path / "out" / "logs" / f"{ID}.jsonl"),
        ):
            pass
    header = Journal(tmp_path / "begun" / "progress" / ID, ID).path.read_text()
    for content in ("precious\n", header, header + "cut off"):
        victim.write_text(content)
        path = tmp_path / "out" / "progress" / ID
        for _ in links(path.with_suffix(".jsonl"), victim):
            try:
                Journal(path, ID).write({"question": "proxy"})
            except UserError as error:
                assert "cannot write" in str(
                    error
                ) or "it is a pipe, not a file" in str(error)
            assert victim.read_text() == content


def test_links_that_lead_nowhere_or_in_circles_do_not_stop_status(copied):
    (copied / "records" / "a.json").symlink_to("nothing")
    (copied / "logs" / "a.jsonl").symlink_to("a.jsonl")
    (copied / "supernets" / "all").symlink_to("..")
    assert read_status(copied).done == 8


def test_a_failure_that_is_removed_while_it_is_read(copied, monkeypatch):
    """A run that failed is finished now, and `status --watch` reads the folder meanwhile."""
    folder = Folder(copied)
    record = next(folder.read_all(Record))
    failure = Failure(id=record.id, inputs=record.inputs, error="e", traceback="t")
    for number in range(3):
        path = folder.path(Failure, f"{number:016x}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(failure.model_dump_json())
    found = []
    for fact in folder.read_all(Failure):
        found.append(fact)
        folder.path(Failure, f"{1:016x}").unlink(missing_ok=True)
    assert len(found) == 2
    assert read_fact_if_there(folder.path(Failure, f"{1:016x}"), Failure) is None


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("train", CELL, "--protocol", "tiny", "--space", "nb201"), "checkpoints"),
        (("score", "nwot", "--cells", "sample:1"), "scores"),
        (("score", "nwot", "--cells", "sample:1"), "population.json"),
    ],
)
def test_other_commands_write_through_no_link(refusal, world, victim, words, name):
    (world.folder / "out").mkdir()
    replace_by_link(world.folder / "out" / name, victim)
    assert f"out/{name} is a link" in refusal(*words, "--out", "out", "--device", "cpu")
    assert victim.read_text() == "precious" and len(list(victim.parent.iterdir())) == 1
