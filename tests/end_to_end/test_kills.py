"""A study killed at random moments comes out as undisturbed. `python tests/kills.py 100` does it more often."""

import importlib.util
import random
import subprocess
import sys

import pytest

KILLS = 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for workers in /proc")
def test_a_study_that_is_killed_now_and_then_comes_out_the_same(root, tmp_path):
    spec = importlib.util.spec_from_file_location("kills", root / "tests" / "kills.py")
    kills = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kills)
    study = kills.write_study(tmp_path)
    subprocess.run(kills.command(study, tmp_path / "undisturbed"), check=True, stdout=subprocess.DEVNULL)
    wanted = kills.result(tmp_path / "undisturbed")
    rng = random.Random(1)
    killed = studies = 0
    while killed < KILLS:  # a fast machine may finish a study before it is killed
        out = tmp_path / f"killed-{studies}"
        killed += sum(kills.run_killed(study, out, rng, KILLS - killed).values())
        studies += 1
        assert kills.result(out) == wanted
