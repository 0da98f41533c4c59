"""Rewards of studies: which are planned, and which faults are named before anything runs."""

import re

import pytest
from support import query_study

from archselect.benchmarks.plan.jobs import plan_runs
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.rewards import check_reward_columns, reward_parts
from archselect.benchmarks.runs.landscapes import describe_truths
from archselect.benchmarks.store.records import NO_SUPERNET, RewardInputs
from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.random_search import RandomSearch


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return query_study.write_table(tmp_path_factory.mktemp("table") / "two.npz")


@pytest.fixture
def read(tmp_path, table):
    """`read(*changes, more="")` is the study with changes."""

    def read_changed(*changes, more=""):
        path = query_study.write_study(tmp_path, table, *changes, more=more)
        return read_study(str(path))

    return read_changed


def describe(study):
    """The landscapes of the study's truths and rewards."""
    parts = reward_parts(study)
    for data in study.data:
        parts += data.truth
    spaces = [space.name for space in study.spaces]
    return dict(zip(parts, describe_truths(parts, spaces), strict=True))


def plan(study):
    landscapes = describe(study)
    check_reward_columns(study, landscapes)
    return plan_runs(study, None, landscapes), landscapes


def test_runs_without_supernets_read_no_images_and_have_a_reward(read):
    study = read()
    jobs, landscapes = plan(study)
    assert [(job.supernet, job.supernet_seed) for job in jobs] == [
        (None, 0),
        (None, 1),
        (None, 2),
    ]
    inputs = jobs[0].inputs
    assert inputs.supernet.recipe == NO_SUPERNET and inputs.data.train_images == 0
    (part,) = reward_parts(study)
    assert inputs.reward == RewardInputs(
        source="table", landscape=landscapes[part].id, trial="mean", queries=30
    )
    assert len({job.inputs.id for job in jobs}) == 3


@pytest.mark.parametrize(
    "change",
    [
        ("queries = 30", "queries = 31"),
        ("queries = 30", 'queries = 30\ncounting = "texts"'),
        ('"valid", epochs = 1', '"valid", epochs = 1, trial = "first"'),
        ('name = "nothing"', 'name = "else"'),
    ],
)
def test_every_part_of_a_reward_is_part_of_the_id(read, change):
    (first, *_), _ = plan(read())
    (second, *_), _ = plan(read(change))
    assert first.inputs.id != second.inputs.id


def test_selectors_that_query_nothing_have_no_reward(read):
    jobs, _ = plan(read(more='\n[[selectors]]\nname = "random"\n'))
    rewards = {job.label: job.inputs.reward for job in jobs}
    assert rewards["random"] is None and rewards["random-search"] is not None


def test_a_selector_reads_from_no_supernet_if_it_names_none(read):
    more = query_study.WITH_SUPERNET.replace('"magnitude"', '"magnitude"\n')
    study = read(
        ('name = "nothing"', 'name = "digits"'),
        ('name = "random-search"', 'name = "random-search"\non = []'),
        more=more,
    )
    supernets = {pair.label: pair.supernet for pair in study.pairs()}
    assert supernets["random-search"] is None
    assert supernets["magnitude"].label == "untrained"
    assert study.reads_images(study.data[0])


FAULTS = {
    "no budget": (
        [("queries = 30\n", "")],
        "data.0: 'reward' needs 'queries', the query budget",
    ),
    "a budget alone": (
        [('name = "random-search"', 'name = "random"'), ("reward = ", "# ")],
        "data.0: 'queries' needs a 'reward', which answers the queries",
    ),
    "nobody asks": (
        [('name = "random-search"', 'name = "random"')],
        "data.0: no selector of the study uses its 'reward': add one, such as random-search",
    ),
    "no reward for who asks": (
        [("reward = ", "# "), ("queries = 30\n", "")],
        "selector random-search needs rewards: give data.0 a 'reward' and 'queries'",
    ),
    "the reported column": (
        [('split = "valid"', 'split = "test"')],
        "data.0: 'reward' and 'truth' are the same column, so selectors would be judged by the "
        "accuracies that they query: use another column, or set reward_is_reported = true, which every table then "
        "states",
    ),
    "an unknown column": (
        [('split = "valid"', 'split = "vaild"')],
        None,
    ),
    "a supernet that is not there": (
        [
            ('name = "random-search"', 'name = "magnitude"'),
            ("reward = ", "# "),
            ("queries = 30\n", ""),
        ],
        "selector magnitude needs a supernet: name one in its 'on', or add [[supernets]]",
    ),
    "the reward of a supernet that is not read": (
        [("reward = {", 'reward = "supernet" # {')],
        "selector random-search needs a supernet: the 'reward' of data.0 is \"supernet\": name one in its 'on'",
    ),
    "an unknown kind": (
        [("reward = {", 'reward = "super" # {')],
        None,
    ),
    "no query": ([("queries = 30", "queries = 0")], None),
    "too many": ([("queries = 30", "queries = 1000001")], None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named_with_the_remedy(read, name):
    changes, message = FAULTS[name]
    if name == "an unknown column":
        with pytest.raises(UserError, match="vaild"):
            describe(read(*changes))
        return
    with pytest.raises(UserError, match=re.escape(message) if message else "data.0"):
        read(*changes)


def test_the_reported_column_by_another_path_is_found(read, table, tmp_path):
    copy = tmp_path / "copy.npz"
    copy.write_bytes(table.read_bytes())
    study = read(
        (
            f'"{table}", dataset = "made-up", split = "valid"',
            f'"{copy}", dataset = "made-up", split = "test"',
        )
    )
    with pytest.raises(UserError, match="are the same column"):
        plan(study)


def test_the_reported_column_is_a_reward_if_the_study_says_so(read):
    said = ("queries = 30", "queries = 30\nreward_is_reported = true")
    jobs, _ = plan(read(said, ('split = "valid"', 'split = "test"')))
    assert jobs[0].inputs.reward.is_reported
    with pytest.raises(UserError, match="remove 'reward_is_reported'"):
        plan(read(said))


def test_a_selector_that_asks_for_anything_is_refused_a_reward_of_a_part(
    read, table, tmp_path, monkeypatch
):
    part = query_study.write_part(tmp_path / "part.npz", 40)
    changes = [('"nb201"', '"s2"'), (str(table), str(part))]
    plan(read(*changes))
    monkeypatch.setattr(RandomSearch, "queries_pool", False)
    with pytest.raises(
        UserError,
        match=r"random-search may query any architecture of s2, but reward 'part' has 40 of [\d,]+:",
    ):
        plan(read(*changes))


def test_the_reward_of_another_space_is_refused(read):
    study = read(('name = "nb201"', 'name = "nb201"\n\n[[spaces]]\nname = "s2"'))
    with pytest.raises(
        UserError,
        match="selector random-search on space s2: reward 'two-splits' is of space nb201",
    ):
        check_reward_columns(study, describe(study))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('name = "nb201"', 'name = "nbgraph"\nskeleton = { channels = 4 }'),
            "space nbgraph has no networks: remove",
        ),
        (
            ("truth = [", 'train = "tiny"\ntruth = ['),
            "space nbgraph has no image networks to train",
        ),
    ],
)
def test_networks_of_a_space_without_any_are_refused(read, change, message):
    changes = (
        [change]
        if "nbgraph" in change[1]
        else [('name = "nb201"', 'name = "nbgraph"'), change]
    )
    with pytest.raises(UserError, match=message):
        read(*changes)


def test_a_counted_cost_needs_images(read):
    study = read(more='\n[[costs]]\nname = "params"\nof = "params"\n')
    with pytest.raises(UserError, match="cost 'params' counts params on images"):
        plan(study)
