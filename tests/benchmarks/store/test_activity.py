"""What the workers of a study do, as their logs tell it."""

import json
import os
from datetime import UTC, datetime

import pytest

from archselect.benchmarks.cli.live import format_activity
from archselect.benchmarks.store.activity import LATEST, read_activities
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.logs import log_to, note

START = 1_000_000.0
SUPERNET = {
    "supernet": "abc",
    "recipe": "darts",
    "space": "nb201",
    "seed": 3,
    "host": "node7",
    "pid": 12,
}


def line(event, at, **facts):
    stamp = datetime.fromtimestamp(START + at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": stamp, "event": event, **facts})


def write(root, name, *lines):
    (root / "logs").mkdir(exist_ok=True)
    path = root / "logs" / f"{name}.jsonl"
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, (START, START))


def told(root, at):
    return [format_activity(one) for one in read_activities(Folder(root), START + at)]


def test_a_supernet_in_training(tmp_path):
    epochs = [
        line("epoch", 10 * k, done=k, of=100, loss=2.5 - k / 100) for k in (36, 37)
    ]
    write(tmp_path, "abc", line("begun", 0, **SUPERNET), *epochs)
    (activity,) = read_activities(Folder(tmp_path), START + 374)
    # Ten seconds an epoch, 63 to come, 4 seconds of the next one are over.
    assert activity.left == pytest.approx(626)
    assert activity.share == pytest.approx(0.37)
    assert activity.silent == pytest.approx(4)
    assert told(tmp_path, 374) == [
        "node7 12: supernet darts on nb201, seed 3: epoch 37 of 100, loss 2.13, "
        "about 10 minutes left"
    ]


def test_work_that_resumed_is_timed_from_then_on(tmp_path):
    """The pace is that of this session: a checkpoint's epochs took it no time."""
    write(
        tmp_path,
        "abc",
        line("begun", 0, **SUPERNET),
        line("epoch", 1000, done=50, of=100),
        line("begun", 5000, **SUPERNET),
        line("epoch", 5010, done=51, of=100),
        line("epoch", 5020, done=52, of=100),
    )
    (activity,) = read_activities(Folder(tmp_path), START + 5020)
    assert activity.left == pytest.approx(480)


def test_what_has_ended_is_left_out_and_a_silent_worker_says_so(tmp_path):
    write(tmp_path, "a", line("begun", 0, **SUPERNET), line("finished", 5))
    write(tmp_path, "b", line("begun", 0, **SUPERNET), line("failed", 5))
    write(tmp_path, "c", line("begun", 0, **SUPERNET))
    assert told(tmp_path, 7200) == [
        "node7 12: supernet darts on nb201, seed 3, silent for 2 hours"
    ]
    assert told(tmp_path, LATEST + 1) == []


def test_a_selection_says_what_it_asks(tmp_path):
    run = {
        "run": "r",
        "selector": "darts-pt",
        "space": "s2",
        "supernet_seed": 0,
        "selection_seed": 1,
        "host": "here",
        "pid": 5,
    }
    answered = line("answered", 9, question="evaluate", times=12, seconds=9.0)
    write(tmp_path, "r", line("begun", 0, **run), answered)
    assert told(tmp_path, 10) == [
        "here 5: selection darts-pt on s2, seeds 0 and 1: asks evaluate, 12 answers last noted"
    ]


def test_real_logs_are_read(tmp_path):
    (tmp_path / "logs").mkdir()
    facts = {key: SUPERNET[key] for key in ("supernet", "recipe", "space", "seed")}
    with log_to(tmp_path / "logs" / "abc.jsonl", **facts):
        note("epoch", done=1, of=4, loss=1.5)
        (activity,) = read_activities(Folder(tmp_path), datetime.now(UTC).timestamp())
        assert activity.step == "epoch 1 of 4, loss 1.5"
        assert f"{os.getpid()}" in activity.worker
    assert read_activities(Folder(tmp_path), datetime.now(UTC).timestamp()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"event": "epoch", "done": 2, "of": 0}',
        '{"event": "epoch", "done": "x", "of": []}',
        '{"event": "epoch", "time": "9999-99-99", "done": 1, "of": 2, "loss": NaN}',
        '{"event": "begun", "host": "a\\nb", "training": {"x": 1}}',
    ],
)
def test_a_damaged_log_is_no_error(tmp_path, text):
    write(tmp_path, "x", text)
    for said in told(tmp_path, 1):
        assert "\n" not in said


def test_a_folder_without_logs(tmp_path):
    assert read_activities(Folder(tmp_path), START) == []
