"""What another commit made is kept and named, or made anew: that, what was made of it, and nothing else."""

import pytest

from archselect.benchmarks.optimisers import supernets
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs import (
    journal,
    other_code,
    run_states,
    runner,
    training,
)
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runtime import machine, tensor_files
from archselect.benchmarks.runtime.tensor_files import (
    load_tensors,
    read_commit,
    save_tensors,
)
from archselect.benchmarks.scoring import run as scoring
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record, Trained
from archselect.reports.results.results import load
from archselect.selectors.magnitude import Magnitude

ONE, TWO = "1" * 40, "2" * 40
MODULES = (
    journal,
    other_code,
    run_states,
    runner,
    scoring,
    supernets,
    training,
)


@pytest.fixture
def at(monkeypatch):
    """`at(commit)`: from now on that commit runs."""

    def go(commit):
        for module in MODULES:
            monkeypatch.setattr(module, "commit", lambda: commit)

    return go


@pytest.fixture
def study(quick):
    return quick


@pytest.fixture
def made(study, inline, at, tmp_path):
    """A folder of the quicker study that commit ONE made; commit TWO runs now."""
    at(ONE)
    run_study(study, tmp_path / "out", device="cpu")
    at(TWO)
    return tmp_path / "out"


def again(study, root, **options):
    lines = []
    outcome = run_study(study, root, device="cpu", notify=lines.append, **options)
    return outcome, lines


def commits(root):
    records = {(r.commit, r.supernet_commit) for r in Folder(root).read_all(Record)}
    return records, {read_commit(path) for path in (root / "supernets").iterdir()}


def test_what_is_kept_is_named_once_and_calmly(study, made):
    before = {path: path.read_bytes() for path in (made / "records").iterdir()}
    outcome, (line,) = again(study, made)
    assert (outcome.made, outcome.kept) == (0, 6)
    assert line == (
        f"Kept: 6 runs and 4 supernets of other commits of archselect ({ONE[:10]}; this is {TWO[:10]}). "
        "--rerun-other-code repeats them."
    )
    assert before == {path: path.read_bytes() for path in (made / "records").iterdir()}


def test_the_same_commit_is_not_worth_a_word(study, made, at):
    at(ONE)
    assert again(study, made)[1] == []


def test_the_option_makes_them_anew_once(study, made):
    outcome, lines = again(study, made, rerun_other_code=True)
    assert (outcome.made, outcome.kept, lines) == (6, 0, [])
    assert commits(made) == ({(TWO, TWO)}, {TWO})
    outcome, lines = again(study, made, rerun_other_code=True)
    assert (outcome.made, outcome.kept, lines) == (0, 6, [])


def test_runs_on_a_supernet_of_another_commit_are_made_anew_and_others_kept(
    study, made, at
):
    """Supernets of one recipe are of this commit already, with their runs; those of the other are not."""
    for record in list(Folder(made).read_all(Record)):
        if record.inputs.supernet.recipe == "darts":
            Folder(made).path(Record, record.id).unlink()
            Folder(made).supernet(record.inputs.supernet_id).unlink()
    run_study(study, made, device="cpu")
    kept_now = {r.id for r in Folder(made).read_all(Record) if r.commit == TWO}
    _, (line,) = again(study, made)
    assert "4 runs and 2 supernets" in line and len(kept_now) == 2
    before = {id: Folder(made).path(Record, id).read_bytes() for id in kept_now}
    assert again(study, made, rerun_other_code=True)[0].made == 4
    assert {id: Folder(made).path(Record, id).read_bytes() for id in kept_now} == before
    assert commits(made) == ({(TWO, TWO)}, {TWO})


def test_a_new_run_on_an_old_supernet_is_of_both_and_made_anew(study, made):
    for path in (made / "records").iterdir():
        path.unlink()
    run_study(study, made, device="cpu")
    assert commits(made) == ({(TWO, ONE)}, {ONE})
    assert again(study, made, rerun_other_code=True)[0].made == 6
    assert commits(made) == ({(TWO, TWO)}, {TWO})


@pytest.mark.parametrize("when", [("supernets", 1), ("supernets", 4), ("runs", 3)])
def test_an_interrupt_loses_nothing_and_is_gone_on_from(study, made, when):
    ids = {record.id for record in Folder(made).read_all(Record)}
    seen = []

    def progress(stage, done, total):
        seen.append((stage, done))
        if (stage, done) == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, made, device="cpu", rerun_other_code=True, progress=progress)
    assert {record.id for record in Folder(made).read_all(Record)} == ids
    assert len(list((made / "supernets").glob("*.pt"))) == 4
    done = sum(record.commit == TWO for record in Folder(made).read_all(Record))
    outcome, _ = again(study, made, rerun_other_code=True)
    assert (outcome.made, outcome.kept) == (6 - done, done)
    assert commits(made) == ({(TWO, TWO)}, {TWO})


def test_a_run_that_fails_anew_keeps_its_record(study, made, monkeypatch):
    def select(self, task):
        raise RuntimeError("broken now")

    monkeypatch.setattr(Magnitude, "select", select)
    outcome, _ = again(study, made, rerun_other_code=True)
    assert len(outcome.failed) == 2
    old = [record for record in Folder(made).read_all(Record) if record.commit == ONE]
    assert {record.id for record in old} == set(outcome.failed)


def test_final_trainings(write_quick, inline, at, tmp_path):
    """A training of another commit makes its run stale; its weights stay until the new ones are there."""
    protocol = 'train = { protocol = "tiny", epochs = 1, batch_size = 16, limit = 32, skeleton = { channels = 2 } }'
    study = read_study(
        str(
            write_quick(
                ('split = "first"', f'split = "first"\n{protocol}'), ("[0, 1]", "[0]")
            )
        )
    )
    root = tmp_path / "out"
    at(ONE)
    run_study(study, root, device="cpu")
    count = len(list(Folder(root).read_all(Trained)))
    at(TWO)
    _, (line,) = again(study, root)
    assert f"3 runs, 2 supernets and {count} training" in line
    assert again(study, root, rerun_other_code=True)[0].made == 3
    assert {fact.commit for fact in Folder(root).read_all(Trained)} == {TWO}
    weights = list((root / "checkpoints").iterdir())
    assert len(weights) == count and {read_commit(path) for path in weights} == {TWO}
    assert again(study, root)[1] == []


def test_a_report_says_that_commits_are_mixed(study, made):
    assert load(made).provenance() == []
    next((made / "records").iterdir()).unlink()
    run_study(study, made, device="cpu")
    (sentence,) = load(made).provenance()
    assert sentence.startswith(
        f"2 commits of archselect made these runs and their supernets ({ONE[:10]}, {TWO[:10]})"
    )
    assert load(made).status() == []


def test_through_the_command_line(write_quick, archselect, inline, at, tmp_path):
    words = ("run", write_quick(), "--out", tmp_path / "cli", "--device", "cpu")
    at(ONE)
    assert archselect(*words)[0] == 0
    at(TWO)
    code, out, err = archselect(*words)
    assert code == 0 and "0 runs made, 6 kept" in out
    assert err.count("\n") == 1 and err.startswith(
        "Kept: 6 runs and 4 supernets of other commits"
    )
    code, out, err = archselect(*words, "--rerun-other-code")
    assert (code, err) == (0, "") and "6 runs made, 0 kept" in out


def test_scores_through_the_command_line(archselect, inline, at, tmp_path):
    words = (
        "score",
        "params",
        "--cells",
        "sample:3",
        "--batch-size",
        8,
        "--out",
        tmp_path / "s",
        "--device",
        "cpu",
    )
    at(ONE)
    assert archselect(*words)[0] == 0
    at(TWO)
    code, out, err = archselect(*words)
    assert (
        code == 0
        and "0 networks scored, 3 kept" in out
        and err.startswith("Kept: scores of 3 networks of other")
    )
    code, out, err = archselect(*words, "--rerun-other-code")
    assert (code, err) == (0, "") and "3 networks scored, 0 kept" in out


def test_a_file_of_tensors_names_its_commit(tmp_path):
    save_tensors(tmp_path / "x", {"a": 1}, "abc")
    assert read_commit(tmp_path / "x") == "abc" and load_tensors(tmp_path / "x") == {
        "a": 1
    }
    save_tensors(tmp_path / "x", {"a": 1})
    assert read_commit(tmp_path / "x") is None
    for broken in (
        b"",
        b"x" * 40,
        b"x" * 32 + b"[" * tensor_files._MOST_HEADER_BYTES,
        b"x" * 32 + b"[]\n",
    ):
        (tmp_path / "y").write_bytes(broken)
        assert read_commit(tmp_path / "y") is None


def test_commits_in_words():
    assert (
        other_code.short_commit(f"{ONE}-dirty-0123456789abcdef")
        == f"{ONE[:10]} with changes"
    )
    assert other_code.short_commit(None) == "commit not known"
    assert machine.UNKNOWN in other_code.short_commit("unknown-0123456789abcdef")
