"""Studies whose rewards train graph networks: what is refused before anything runs."""

import pytest
from pydantic import ValidationError

from archselect.benchmarks.plan.graph_rewards import check_graph_of, count_queries
from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.study_checks import check_study_parts
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.graph import library
from archselect.nasbench_adapters.toml import parse_toml

STUDY = """
name = "trained"
title = "Queries that train"
tables = ["budget"]

[seeds]
supernet = [0]

[[spaces]]
name = "nbgraph"

[[data]]
name = "any"
queries = 5
reward = { source = "training", graph = "digits-knn", epochs = 3, report = { epochs = 4 } }

[[selectors]]
name = "random-search"
"""


def changed(old, new):
    assert old in STUDY
    return Study.model_validate(parse_toml(STUDY.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", report = { epochs = 4 }", "", "needs 'truth'"),
        ('"nbgraph"', '"nb201"', "space nb201 has no graph networks: use space nbgr"),
        (
            "epochs = 3",
            "epochs = 3, heads = 5",
            "must be a multiple of 'heads'",
        ),
        ("queries = 5\n", "", "'reward' needs 'queries'"),
        ('"random-search"', '"random"', "no selector of the study uses its 'reward'"),
    ],
)
def test_studies_that_cannot_run_are_refused(old, new, message):
    with pytest.raises(UserError, match=message):
        check_study_parts(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs = 3", "epochs = 0"),
        ("epochs = 3", 'epochs = 3, sharing = "some"'),
        ("epochs = 3", "epochs = 3, layers_before = 2"),
        ("epochs = 3", "epochs = 3, hidden = 1_000_000"),
        ("{ epochs = 4 }", "{ epochs = 4, seeds = [] }"),
        ('"training"', '"trainings"'),
    ],
)
def test_wrong_settings_are_refused(old, new):
    with pytest.raises(ValidationError):
        changed(old, new)


def test_a_graph_and_a_library_that_are_not_there_are_named(tmp_path, monkeypatch):
    (data,) = changed("digits-knn", "digits").data
    monkeypatch.setattr(library, "MODULE", "json")
    with pytest.raises(UserError, match="unknown graph 'digits'"):
        check_graph_of(data, tmp_path)
    monkeypatch.setattr(library, "MODULE", "no_such_library")
    with pytest.raises(UserError, match=r"pip install 'archselect\[graph-train\]'"):
        check_graph_of(data, tmp_path)


def test_the_passes_of_queries_are_counted_before_they_are_made():
    (data,) = changed("epochs = 3", "epochs = 3").data
    counts = count_queries(data)
    assert (counts.forwards, counts.backwards) == (5 * (3 + 1), 5 * 3)


def test_the_id_of_a_run_has_all_that_its_rewards_depend_on():
    ids = set()
    changes = (
        ("epochs = 3", "epochs = 3"),
        ("epochs = 3", "epochs = 2"),
        ("epochs = 3", 'epochs = 3, sharing = "free"'),
        ("epochs = 3", "epochs = 3, dropout = 0.5"),
    )
    for old, new in changes:
        (job,) = plan_runs(changed(old, new), None)
        ids.add(job.inputs.id)
        assert job.inputs.reward.training.checksum
    assert len(ids) == len(changes)
    (job,) = plan_runs(changed("{ epochs = 4 }", "{ epochs = 9 }"), None)
    assert job.inputs.id in ids
