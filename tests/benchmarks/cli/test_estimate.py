"""What `archselect estimate` prints: amounts and times in units that suit them."""

import pytest

from archselect.benchmarks.cli.estimating import _long_time, _show_cost
from archselect.benchmarks.runs.speed import Speed, finish_time
from archselect.benchmarks.store.records import Counts

SLOW = Speed(training=1e9, forward=1e9)


@pytest.mark.parametrize(
    ("flops", "shown"),
    [
        (0, "-"),
        (10, "10 FLOP, <0.1 s"),
        (322_560_000, "323 MFLOP, 0.3 s"),
        (59 * 10**9, "59 GFLOP, 59.0 s"),
        (9 * 10**10, "90 GFLOP, 1.5 min"),
        (36 * 10**11, "3.6 TFLOP, 1 h"),
        (36 * 10**14, "3.6 PFLOP, 1,000 h"),
    ],
)
def test_small_and_large_amounts_are_readable(flops, shown):
    assert _show_cost(Counts(flops=flops), SLOW) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a second"),
        (12.4, "12 seconds"),
        (60.0, "1 minute"),
        (150.0, "2.5 minutes"),
        (3600.0, "1 hour"),
        (86400.0 * 1000, "1,000 days"),
    ],
)
def test_times_are_in_words(seconds, words):
    assert _long_time(seconds) == words


def test_a_backward_is_as_fast_as_training_and_a_forward_as_evaluations():
    speed = Speed(training=100.0, forward=300.0)
    # One forward with its backward is 3 parts, two forwards alone are 2.
    counts = Counts(forwards=3, backwards=1, images=3, flops=500)
    assert speed.seconds(counts) == pytest.approx(300 / 100 + 200 / 300)
    assert speed.seconds(Counts()) == 0
    trained = Counts(forwards=4, backwards=4, images=4, flops=600)
    assert speed.seconds(trained) == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("seconds", "workers", "end"),
    [([], 2, 0), ([3], 2, 3), ([3, 1, 1, 1], 2, 3), ([1, 1, 1], 2, 2), ([2, 2], 1, 4)],
)
def test_workers_share_jobs(seconds, workers, end):
    assert finish_time(seconds, workers) == end


def test_the_speed_is_measured_here(archselect, write_study):
    code, out, err = archselect("estimate", str(write_study()), "--device", "cpu")
    assert (code, err) == (0, "")
    assert " here with " in out
    assert "For another device, give --throughput TFLOP/s" in out
    assert archselect("estimate", str(write_study()), "--device", "tpu")[0] == 2


@pytest.mark.parametrize(("seeds", "words"), [("[0]", "1 run"), ("[0, 1]", "2 runs")])
def test_one_run_is_not_called_runs(archselect, write_study, seeds, words):
    path = write_study(("supernet = [0, 1]", f"supernet = {seeds}"))
    code, out, err = archselect("estimate", str(path), "--throughput", "1")
    assert (code, err) == (0, "")
    assert f"{words} of each selector, " in out
    assert "Times assume 1 TFLOP/s, the rate of your device." in out
