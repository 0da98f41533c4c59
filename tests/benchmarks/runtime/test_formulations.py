"""A formulation number changes the ids of what its component determines, and no others."""

from pathlib import Path

import pytest

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.plan.jobs import (
    describe_training_data,
    load_training_dataset,
    plan_runs,
    plan_training,
)
from archselect.benchmarks.plan.protocols import resolve_protocol
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.variants import make_variant
from archselect.benchmarks.runs.harness import run_study
from archselect.benchmarks.runtime import formulations
from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.populations import populate
from archselect.benchmarks.scoring.run import ScoringTask, claim_folder
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.nasbench_adapters import networks
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb201 import NasBench201
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.proxies import PROXIES, registry
from archselect.selectors.zero_cost_pt import ZeroCostPT

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
EVERY = {"random", "magnitude", "darts-pt", "zero-cost-pt"}


def raised(patch, name):
    """Raise a component's number."""
    if name.startswith("proxy "):
        proxy = PROXIES[name.removeprefix("proxy ")]
        changed = proxy.__class__(
            **{**vars(proxy), "formulation": proxy.formulation + 1}
        )
        patch.setitem(PROXIES, proxy.name, changed)
        assert registry.get(proxy.name) is changed
        return
    kind, attribute = {
        "magnitude": (Magnitude, "formulation"),
        "zero-cost-pt": (ZeroCostPT, "formulation"),
        "darts": (Darts, "formulation"),
        "nb201": (NasBench201, "formulation"),
        "networks": (networks, "FORMULATION"),
        "images": (Images, "formulation"),
        "training": (formulations, "TRAINING"),
        "scoring": (formulations, "SCORING"),
    }[name]
    patch.setattr(kind, attribute, getattr(kind, attribute) + 1)


def ids(study):
    """Ids of runs by selector, and of supernets by recipe."""
    jobs = [job for job in plan_runs(study, None) if job.supernet.seed == 0]
    return {j.label: j.inputs.id for j in jobs}, {
        j.supernet.supernet.recipe: j.supernet.id for j in jobs
    }


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("name", "runs", "supernets"),
    [
        ("magnitude", {"magnitude"}, set()),
        ("zero-cost-pt", {"zero-cost-pt"}, set()),
        ("proxy nwot", {"zero-cost-pt"}, set()),
        ("proxy snip", set(), set()),
        ("darts", {"magnitude", "darts-pt"}, {"darts"}),
        ("nb201", EVERY, {"darts", "untrained"}),
        ("networks", EVERY, {"darts", "untrained"}),
        ("images", EVERY, {"darts", "untrained"}),
        ("training", set(), set()),
        ("scoring", set(), set()),
    ],
)
def test_runs_and_supernets(small_study, monkeypatch, name, runs, supernets):
    before = ids(small_study)
    raised(monkeypatch, name)
    after = ids(small_study)
    assert (changed(before[0], after[0]), changed(before[1], after[1])) == (
        runs,
        supernets,
    )


@pytest.mark.parametrize(
    "name",
    ["magnitude", "proxy nwot", "darts", "nb201", "networks", "images", "training"],
)
def test_final_trainings(monkeypatch, name):
    def job():
        return plan_training(
            CELL,
            "nb201",
            resolve_protocol("tiny", "nb201", {"limit": 64}, {}),
            "digits",
            0,
            None,
        )

    before = job().id
    raised(monkeypatch, name)
    assert (job().id != before) == (name in ("nb201", "networks", "images", "training"))


@pytest.mark.parametrize(
    "name",
    ["magnitude", "proxy nwot", "proxy snip", "nb201", "networks", "images", "scoring"],
)
def test_scores(monkeypatch, tmp_path, name):
    population = populate(get_space("nb201"), "sample:1")

    def claim():
        inputs = scoring_inputs(population, ["nwot"], data="digits", batch_size=8)
        claim_folder(Folder(tmp_path), ScoringTask(inputs, population, [0]), [])

    claim()
    raised(monkeypatch, name)
    if name in ("magnitude", "proxy snip"):
        claim()
    else:
        with pytest.raises(
            UserError, match=r"holds scores of another formulation .*: 1, now 2.*--out"
        ):
            claim()


def test_what_a_selector_of_the_users_own_asks_for_is_not_known(
    monkeypatch, tmp_path, write_study
):
    import archselect.selectors.example as example

    path = tmp_path / "mine.py"
    path.write_text(Path(example.__file__).read_text())
    plain = str(write_study())
    study = make_variant(read_study(plain), plain, selectors=[f"{path}:MySelector"])
    before, _ = ids(study)
    raised(monkeypatch, "proxy snip")
    after, _ = ids(study)
    assert changed(before, after) == {"my-selector (darts)", "my-selector (untrained)"}


def test_runs_of_another_formulation_stay_and_are_in_no_table(
    quick, finished, inline, monkeypatch
):
    from archselect.reports.results.results import load

    before = {record.id for record in Folder(finished).read_all(Record)}
    raised(monkeypatch, "magnitude")
    outcome = run_study(quick, finished, device="cpu")
    assert (outcome.made, outcome.kept) == (2, 4)
    results = load(finished)
    assert before < {record.id for record in Folder(finished).read_all(Record)}
    assert len(results.records) == 6 and len(results.others) == 2


def test_descriptions_say_whether_images_are_streamed():
    settings = resolve_protocol("tiny", "nb201", {"limit": 64}, {}).settings
    assert not describe_training_data(
        load_training_dataset("digits", settings, None), settings
    ).streamed
