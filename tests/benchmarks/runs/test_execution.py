"""The steps of a study that trains what its runs selected: each architecture once, resumed."""

import json
import shutil
from pathlib import Path

import pytest
from support import small

from archselect.benchmarks.engines import local
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.runs import worker
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runs.runner import Runner
from archselect.benchmarks.runtime.workers import worker_pool
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Landscape, Record, Trained
from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.random_architecture import Random

SMALL = "epochs = 1, batch_size = 10, limit = 20, skeleton = { channels = 2 }"
TABLE = f'train = {{ protocol = "tiny", seeds = [3, 5], {SMALL} }}'
BOTH = (
    TABLE.replace("train = ", "train = [")
    + f', {{ protocol = "tiny", drop_path = 0.5, {SMALL} }}]'
)


@pytest.fixture(scope="session")
def write_training(small_truth, tmp_path_factory):
    """`write_training(train)` writes a study of random and magnitude with final
    trainings as well as the table, or (`only`) without it, and returns its path.
    """
    text = small.study_text(small_truth)
    text = text[: text.index('[[selectors]]\nname = "darts-pt"')]

    def write(train=TABLE, only=False):
        lines = text.splitlines()
        place = next(i for i, line in enumerate(lines) if line.startswith("truth = "))
        lines[place : place + 1] = ([] if only else [lines[place]]) + (
            [train] if train else []
        )
        path = tmp_path_factory.mktemp("study") / "small.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


FINISHED: dict[str, Path] = {}


@pytest.fixture
def whole(write_training, inline, tmp_path_factory):
    """A folder of the study, finished once; not to be touched."""
    if not FINISHED:
        root = tmp_path_factory.mktemp("whole") / "out"
        run_study(read_study(str(write_training())), root, device="cpu")
        FINISHED["whole"] = root
    return FINISHED["whole"]


@pytest.fixture
def out(whole, tmp_path):
    """A copy of the finished folder."""
    return Path(shutil.copytree(whole, tmp_path / "out"))


@pytest.fixture
def study(write_training):
    return read_study(str(write_training()))


def records(root):
    return {record.id: record for record in Folder(root).read_all(Record)}


def facts(root):
    return {
        **{record.id: record.facts() for record in Folder(root).read_all(Record)},
        **{trained.id: trained.facts() for trained in Folder(root).read_all(Trained)},
    }


def watched(monkeypatch):
    """The ids of the trainings and selections that are made from now on, in order."""
    made, selected = [], []
    train, run = Runner.train, Runner.run

    def watch(self, job, *arguments):
        made.append(job.id)
        return train(self, job, *arguments)

    def watch_run(self, job):
        selected.append(job.inputs.id)
        return run(self, job)

    monkeypatch.setattr(Runner, "train", watch)
    monkeypatch.setattr(Runner, "run", watch_run)
    return made, selected


def one_cell(self, task):
    """In place of a selector's choice."""
    cell = task.space.parse(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
    )
    return task.search().selection(cell)


def test_every_selected_architecture_is_trained_and_its_accuracy_recorded(
    study, inline, tmp_path
):
    told = []
    root = tmp_path / "out"

    def progress(stage, done, total):
        told.append((stage, done, total))

    outcome = run_study(study, root, device="cpu", progress=progress)
    assert (outcome.made, outcome.kept, outcome.failed) == (4, 0, [])
    trained = {t.id: t for t in Folder(root).read_all(Trained)}
    distinct = {record.selected.architecture for record in records(root).values()}
    assert len(trained) == 2 * len(distinct)
    assert [t for t in told if t[0] == "trainings"] == [
        ("trainings", n, len(trained)) for n in range(len(trained) + 1)
    ]
    known = {
        (t.inputs.architecture, str(t.inputs.seed)): t.last_accuracy
        for t in trained.values()
    }
    (landscape,) = (
        found for found in Folder(root).read_all(Landscape) if found.architectures == 0
    )
    assert (landscape.space, landscape.dataset, landscape.split, landscape.epochs) == (
        "nb201",
        "digits",
        "test",
        1,
    )
    assert (
        landscape.truth.startswith("trained: tiny (") and "epochs=1" in landscape.truth
    )
    for record in records(root).values():
        looked_up, own = record.accuracies
        assert (looked_up.source, own.source) == ("looked up", "trained")
        assert own.landscape == landscape.id and own.trial_seeds == ["3", "5"]
        assert own.trials == [
            known[record.selected.architecture, seed] for seed in ("3", "5")
        ]
        assert own.mean == sum(own.trials) / 2 and own.rank is None and own.scored == []
    assert not (root / "selections").exists()
    assert {path.stem for path in (root / "checkpoints").iterdir()} == set(trained)


def test_truth_is_not_needed_where_selected_architectures_are_trained(
    write_training, inline, tmp_path
):
    study = read_study(str(write_training(only=True)))
    assert study.data[0].truth == []
    assert run_study(study, tmp_path / "out", device="cpu").made == 4
    for record in records(tmp_path / "out").values():
        (own,) = record.accuracies
        assert own.source == "trained"


def test_an_architecture_that_several_runs_chose_is_trained_once(
    study, inline, tmp_path, monkeypatch
):
    for selector in (Magnitude, Random):
        monkeypatch.setattr(selector, "select", one_cell)
    made, _ = watched(monkeypatch)
    assert run_study(study, tmp_path / "out", device="cpu").made == 4
    assert (
        len(
            {
                record.selected.architecture
                for record in records(tmp_path / "out").values()
            }
        )
        == 1
    )
    assert len(made) == len(set(made)) == 2


def test_a_finished_study_is_left_as_it_is(study, inline, out, monkeypatch):
    before = {str(p): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    made, selected = watched(monkeypatch)
    outcome = run_study(study, out, device="cpu")
    assert (outcome.made, outcome.kept, made, selected) == (0, 4, [], [])
    assert {
        str(p): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()
    } == before


@pytest.mark.parametrize("stage", ["runs", "trainings"])
def test_an_interrupted_study_goes_on_and_ends_with_the_same_records(
    study, inline, whole, tmp_path, monkeypatch, stage
):
    root = tmp_path / "out"

    def progress(now, done, total):
        if (now, done) == (stage, 2):
            raise KeyboardInterrupt

    made, selected = watched(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, root, device="cpu", progress=progress)
    assert records(root) == {}  # nothing is finished whose architecture is not trained
    before = (set(made), set(selected))
    kept = {path.stem for path in (root / "selections").iterdir()}
    made.clear()
    selected.clear()
    assert run_study(study, root, device="cpu").made == 4
    assert not kept & set(selected)
    if stage == "trainings":
        # In this process all trainings were run before the second was reported; only
        # what was reported was kept.
        assert selected == [] and 0 < len(made) < len(before[0])
    assert facts(root) == facts(whole)


def test_trainings_that_join_a_study_do_not_repeat_its_selections(
    write_training, study, inline, tmp_path, monkeypatch
):
    root, plain = tmp_path / "out", read_study(str(write_training("")))
    run_study(plain, root, device="cpu")
    made, selected = watched(monkeypatch)
    outcome = run_study(study, root, device="cpu")
    assert (outcome.made, outcome.kept) == (4, 0)
    assert selected == [] and made
    assert all(len(record.accuracies) == 2 for record in records(root).values())
    # A study that no longer names them leaves them there.
    assert run_study(plain, root, device="cpu").kept == 4


def test_more_seeds_and_a_second_protocol_are_trained_for_the_same_selections(
    write_training, inline, out, monkeypatch
):
    root = out
    before = {t.id for t in Folder(root).read_all(Trained)}
    made, selected = watched(monkeypatch)
    more = read_study(str(write_training(BOTH.replace("[3, 5]", "[3, 5, 7]"))))
    assert run_study(more, root, device="cpu").made == 4
    distinct = {record.selected.architecture for record in records(root).values()}
    assert selected == [] and len(made) == 2 * len(distinct) and not before & set(made)
    for record in records(root).values():
        assert [a.source for a in record.accuracies] == [
            "looked up",
            "trained",
            "trained",
        ]
        assert [len(a.trials) for a in record.accuracies[1:]] == [3, 1]
    assert (
        len(
            [
                found
                for found in Folder(root).read_all(Landscape)
                if found.architectures == 0
            ]
        )
        == 2
    )


def test_a_training_that_raises_fails_the_runs_that_chose_the_architecture(
    study, inline, tmp_path, monkeypatch
):
    root = tmp_path / "out"
    train = worker.train
    with monkeypatch.context() as patch:
        patch.setattr(
            worker, "train", lambda job: train(job) if job.inputs.seed == 3 else 1 / 0
        )
        outcome = run_study(study, root, device="cpu")
    assert outcome.made == 0 and len(outcome.failed) == 4
    assert {failure.error for failure in Folder(root).read_all(Failure)} == {
        "ZeroDivisionError: division by zero"
    }
    made, selected = watched(monkeypatch)
    again = run_study(study, root, device="cpu")
    assert (again.made, again.failed, selected) == (4, [], [])
    assert made and list(Folder(root).read_all(Failure)) == []


def test_what_the_user_must_mend_stops_the_study(study, inline, tmp_path, monkeypatch):
    def broken(self, job):
        raise UserError("mend this")

    monkeypatch.setattr(Runner, "train", broken)
    with pytest.raises(UserError, match="mend this"):
        run_study(study, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out" / "failures").exists()


def test_every_file_is_json(whole):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    for path in whole.rglob("*.json"):
        assert isinstance(json.loads(path.read_text(), parse_constant=refuse), dict)


MISTAKES = {
    'train = "tinyy"': "unknown protocol 'tinyy': did you mean 'tiny'",
    'train = "darts-cifar10"': "protocol darts-cifar10 is not for space nb201; protocols for it: nb201, tiny",
    'train = { protocol = "tiny", epoch = 1 }': "unknown key of a data set's 'train' 'epoch': did you mean 'epochs'",
    'train = { protocol = "tiny", seed = [1] }': "did you mean 'seeds'",
    'train = { protocol = "tiny", seeds = [] }': r"data\.0\.train\.0\.seeds: List should have at least 1 item",
    'train = { protocol = "tiny", seeds = [1, 1] }': r"train\.seeds: 1 occurs twice",
    'train = ["tiny", "tiny"]': "train: .*occurs twice",
    'train = { protocol = "tiny", skeleton = { layers = 3 } }': "unknown skeleton setting of nb201 'layers'",
    "train = { epochs = 3 }": r"data\.0\.train\.0\.protocol: Field required",
    "train = 3": r"data\.0\.train\.0: Input should be a valid dictionary",
    "train = []": r"data\.0: needs 'truth' \(ground truths to look up accuracies\), or 'train' \(a training protocol\)",
}


@pytest.mark.parametrize("train", MISTAKES)
def test_a_mistake_is_named_before_anything_runs(write_training, train):
    with pytest.raises(UserError, match=MISTAKES[train]) as caught:
        read_study(str(write_training(train, only=True)))
    assert "\n" not in str(caught.value)


def test_data_to_train_on_that_is_not_there(write_training, inline, tmp_path):
    path = write_training(TABLE.replace('"tiny"', '"tiny", data = "absent.npz"'))
    with pytest.raises(UserError, match=r"no file absent\.npz"):
        run_study(read_study(str(path)), tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_workers_and_folders_do_not_matter(study, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "worker_pool", worker_pool)  # the real one
    assert run_study(study, tmp_path / "out", device="cpu", workers=2).made == 4
    assert facts(tmp_path / "out") == facts(whole)
