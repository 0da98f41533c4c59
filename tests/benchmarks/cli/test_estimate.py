"""What `archselect estimate` prints: amounts and times in units that suit them."""

import pytest

from archselect.benchmarks.cli.studies import DeviceSpeed

SLOW = DeviceSpeed(1e9, "for tests")


@pytest.mark.parametrize(
    ("flops", "shown"),
    [
        (0, "-"),
        (10, "10 FLOP, <0.1 s"),
        (322_560_000, "323 MFLOP, 0.3 s"),
        (59 * 10**9, "59 GFLOP, 59.0 s"),
        (36 * 10**11, "3.6 TFLOP, 1 h"),
        (36 * 10**14, "3.6 PFLOP, 1,000 h"),
    ],
)
def test_small_and_large_amounts_are_readable(flops, shown):
    assert SLOW.show(flops) == shown


@pytest.mark.parametrize(("seeds", "words"), [("[0]", "1 run"), ("[0, 1]", "2 runs")])
def test_one_run_is_not_called_runs(archselect, write_study, seeds, words):
    path = write_study(("supernet = [0, 1]", f"supernet = {seeds}"))
    code, out, err = archselect("estimate", str(path), "--throughput", "1")
    assert (code, err) == (0, "")
    assert f"{words} of each selector, " in out
