"""Workers of every engine refuse what is not the command's."""

import pytest

from archselect.benchmarks.engines.registry import ENGINES
from archselect.benchmarks.runs import harness
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runtime.machine import running_code
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters.errors import UserError


def settings(request, engine, folder):
    """Of a cluster of the kind."""
    if engine == "dask":
        return {"scheduler": request.getfixturevalue("dask_cluster").address}
    if engine == "slurm":
        request.getfixturevalue("slurm")
        return {"folder": str(folder)}
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_workers_refuse_other_code(request, engine, quick, monkeypatch, tmp_path):
    where = {
        "engine": engine,
        "engine_settings": settings(request, engine, tmp_path / "jobs"),
        "workers": 1,
    }
    monkeypatch.setattr(
        harness,
        "running_code",
        lambda: running_code()._replace(sources="0123456789abcdef"),
    )
    with pytest.raises(UserError, match="differs from that of the command"):
        run_study(quick, tmp_path / "out", device="cpu", **where)
    assert not list(Folder(tmp_path / "out").read_all(Record))


@pytest.mark.slow
def test_workers_refuse_other_images(quick, monkeypatch, tmp_path):
    """What the command says of the images travels with every call."""
    described = harness.plan_runs

    def other_images(*arguments):
        """As if the command had read other images."""
        jobs = described(*arguments)
        for job in jobs:
            data_inputs = job.supernet.data_inputs.model_copy(
                update={"checksum": "0" * 16}
            )
            object.__setattr__(job.supernet, "data_inputs", data_inputs)
        return jobs

    monkeypatch.setattr(harness, "plan_runs", other_images)
    with pytest.raises(
        UserError, match=r"data set 'digits' on .* differs from what the command read"
    ):
        run_study(quick, tmp_path / "out", device="cpu", workers=1)
    assert not list(Folder(tmp_path / "out").read_all(Record))
