"""Evolution, local search and the conservative controller: each asks for what its paper says, and ends."""

import sys
from collections import deque
from math import inf

import numpy as np
import pytest
from support.query_task import query_task

from archselect.nasbench_adapters.moves import genes, moves, mutate, neighbours
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.base import Selector
from archselect.selectors.conservative import Conservative, Controller
from archselect.selectors.evolution import RegularisedEvolution
from archselect.selectors.local_search import LocalSearch
from archselect.selectors.random_search import RandomSearch

NB201 = get_space("nb201")
DARTS = get_space("darts")
MOVING = [
    RegularisedEvolution(),
    LocalSearch(),
    Conservative(),
    Conservative(restarts=False),
    Conservative(classes_per_move=10_000),
]
FIXED = "minimal:0-2=skip_connect,1-2=none,0-3=none,1-3=none,2-3=none"
TWO_EDGES = "minimal:0-2=skip_connect,1-2=none+skip_connect,0-3=none+skip_connect,1-3=none,2-3=none"
FEW = {FIXED: 1, TWO_EDGES: 4}
"""Spaces of few architectures, with their number of classes."""
selectors = pytest.mark.parametrize(
    "selector", MOVING, ids=lambda selector: f"{selector.name} {selector.model_dump()}"
)


def scattered(architecture):
    """A reward without structure: a number between 0 and 100 per architecture."""
    flat = [
        -1 if choice is None else choice
        for row in architecture.choices
        for choice in row
    ]
    return float(np.random.default_rng([value + 1 for value in flat]).uniform(0, 100))


def sum_of_choices(architecture):
    """A reward with one optimum on every space: each edge adds its choice."""
    return float(sum(choice or 0 for row in architecture.choices for choice in row))


class Recorder:
    """A task that notes every query, repeated ones too."""

    def __init__(self, space, reward, budget, **options):
        self.task = query_task(space, reward, budget, **options)
        self.asked = []
        ask = self.task.query

        def query(architecture):
            answer = ask(architecture)
            self.asked.append(architecture)
            return answer

        self.task.query = query


@selectors
def test_the_best_that_was_asked_is_selected_and_the_budget_is_spent(selector):
    task = query_task(NB201, scattered, 200)
    selection = selector.select(task)
    answers = task.queries.answers
    if selector.model_dump().get("restarts", True):
        assert len(answers) == 200
    assert selection.architecture == max(answers, key=answers.get)
    assert [tuple(noted) for noted in selection.architecture_scores] == list(
        answers.items()
    )


@selectors
@pytest.mark.parametrize("name", SPACES)
def test_they_work_on_every_space(selector, name):
    space = get_space(name)
    task = query_task(space, sum_of_choices, 60, seed=1)
    selection = selector.select(task)
    random = query_task(space, sum_of_choices, 5, seed=1)
    RandomSearch().select(random)
    best = max(task.queries.answers.values())
    assert task.queries.answers[selection.architecture] == best
    if (
        selector.model_dump().get("classes_per_move", 1) == 1
    ):  # else moves are random draws
        assert best >= max(random.queries.answers.values())


@selectors
@pytest.mark.parametrize("counting", ["classes", "texts"])
@pytest.mark.parametrize("name", FEW)
def test_they_end_where_there_are_fewer_classes_than_queries(selector, counting, name):
    task = query_task(get_space(name), lambda _: 1.0, 100, counting=counting)
    selector.select(task)
    answered = len(task.queries.answers)
    assert 1 <= answered <= FEW[name]
    if selector.model_dump().get("restarts", True):
        assert answered == FEW[name]


@selectors
@pytest.mark.parametrize("counting", ["classes", "texts"])
def test_one_query_is_enough(selector, counting):
    task = query_task(NB201, scattered, 1, counting=counting)
    selection = selector.select(task)
    assert list(task.queries.answers) == [selection.architecture]


@selectors
def test_equal_rewards_end_and_select_the_first(selector):
    task = query_task(NB201, lambda _: 0.0, 150)
    selection = selector.select(task)
    first, *others = task.queries.answers
    assert others and selection.architecture == first


@selectors
def test_rewards_of_any_size_are_borne(selector):
    """Their difference is no finite number."""
    largest = sys.float_info.max

    def huge(architecture):
        return largest if scattered(architecture) > 50 else -largest

    assert -largest - largest == -inf
    task = query_task(NB201, huge, 80)
    selection = selector.select(task)
    assert huge(selection.architecture) > 0


@selectors
def test_one_seed_is_one_search(selector):
    def answers(seed):
        task = query_task(DARTS, scattered, 40, seed=seed)
        selector.select(task)
        return list(task.queries.answers)

    assert answers(1) == answers(1) != answers(2)


@selectors
def test_they_do_not_keep_to_a_pool(selector):
    assert not selector.queries_pool and RandomSearch.queries_pool
    assert not Selector.queries_pool


# --- evolution


def test_evolution_changes_the_best_of_the_three_youngest():
    """With a tournament in which nobody is missing but by a chance of 1e-80."""
    recorder = Recorder(DARTS, scattered, 60, counting="texts")
    evolution = RegularisedEvolution(population=3, tournament=500)
    evolution.select(recorder.task)
    alive = deque(recorder.asked[:3], maxlen=3)
    oldest_was_best = 0
    for child in recorder.asked[3:]:
        parent = max(alive, key=scattered)
        assert child in neighbours(DARTS, parent)
        oldest_was_best += parent == alive[0]
        alive.append(child)
    assert oldest_was_best > 0


def test_evolution_starts_with_random_architectures():
    recorder = Recorder(DARTS, scattered, 10, counting="texts", seed=4)
    RegularisedEvolution().select(recorder.task)
    random = Recorder(DARTS, scattered, 10, counting="texts", seed=4)
    RandomSearch().select(random.task)
    assert recorder.asked == random.asked


def test_a_tournament_of_one_chooses_blindly():
    """So each of three parents has children, the worst too."""
    recorder = Recorder(DARTS, scattered, 60, counting="texts")
    RegularisedEvolution(population=3, tournament=1).select(recorder.task)
    alive = deque(recorder.asked[:3], maxlen=3)
    ranks = set()
    for child in recorder.asked[3:]:
        ranked = sorted(alive, key=scattered)
        ranks |= {rank for rank in range(3) if child in neighbours(DARTS, ranked[rank])}
        alive.append(child)
    assert ranks == {0, 1, 2}


def test_a_child_is_as_many_moves_from_its_parent_as_wanted():
    recorder = Recorder(DARTS, scattered, 30, counting="texts")
    evolution = RegularisedEvolution(population=1, tournament=1, moves_per_child=3)
    evolution.select(recorder.task)
    changed = []
    for parent, child in zip(recorder.asked, recorder.asked[1:], strict=False):
        changed.append(changed_genes(DARTS, parent, child))
    # A later move may change the gene of an earlier one again.
    assert set(changed) <= {0, 1, 2, 3} and changed.count(3) > 10


# --- local search


def test_local_search_asks_all_neighbours_before_it_starts_again():
    """In any order, and goes to the first that is better."""
    recorder = Recorder(NB201, scattered, 900, counting="texts")
    LocalSearch().select(recorder.task)
    asked = deque(recorder.asked)
    optima = 0
    steps = 0
    orders = set()
    while asked:
        incumbent = asked.popleft()
        near = neighbours(NB201, incumbent)
        left = list(near)
        while left and asked:
            neighbour = asked.popleft()
            if len(left) == len(near):
                orders.add(near.index(neighbour))
            left.remove(neighbour)
            if scattered(neighbour) > scattered(incumbent):
                # The step goes there: it is asked again, free of charge.
                assert not asked or asked[0] == neighbour
                steps += 1
                break
        else:
            optima += not left
    assert optima > 5 and steps > 5
    assert len(orders) > 5


def test_local_search_finds_the_only_optimum():
    task = query_task(NB201, sum_of_choices, 150, counting="texts")
    selection = LocalSearch().select(task)
    assert selection.architecture.choices == ((4,) * 6,)


# --- the conservative controller


def changed_genes(space, one, other):
    """How many genes two architectures have unlike."""
    count = 0
    for gene in genes(space):
        rows = (one.choices[gene.cell], other.choices[gene.cell])
        count += any(rows[0][edge] != rows[1][edge] for edge in gene.edges)
    return count


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_so_many_genes_of_the_best_are_changed(classes):
    recorder = Recorder(DARTS, scattered, 60, counting="texts")
    Conservative(classes_per_move=classes).select(recorder.task)
    incumbent, *others = recorder.asked
    for changed in others:
        assert changed_genes(DARTS, incumbent, changed) == classes
        incumbent = max(incumbent, changed, key=scattered)


def test_it_starts_again_once_nothing_is_new():
    """With equal rewards the first architecture keeps all its neighbours around it."""
    asked = {}
    for restarts in (False, True):
        recorder = Recorder(NB201, lambda _: 1.0, 60, counting="texts")
        Conservative(restarts=restarts).select(recorder.task)
        asked[restarts] = recorder.asked
    first, *changed = asked[False]
    near = neighbours(NB201, first)
    assert set(changed) <= set(near)
    # As many in a row as there are neighbours are known, the one before is new.
    *known, last_new = changed[: -len(near)]
    assert last_new not in known and set(changed) == {*known, last_new}
    length = len(asked[False])
    assert asked[True][:length] == asked[False]
    restarted, changed_again, *_ = asked[True][length:]
    assert restarted != first and restarted not in near
    assert changed_genes(NB201, restarted, changed_again) == 1


def test_it_starts_again_after_as_many_known_ones_that_are_no_better():
    """On a space that is soon known, against a slow account of what is asked."""
    edges = ("0-2", "1-2", "0-3", "1-3")
    restricted = [f"{edge}=none+skip_connect" for edge in edges]
    space = get_space(f"minimal:{','.join(restricted)},2-3=none")
    recorder = Recorder(space, scattered, 17, counting="texts", seed=2)
    Conservative().select(recorder.task)
    incumbent = None
    known = set()
    steps_to_known = 0
    for architecture in recorder.asked:
        if incumbent is None:
            incumbent = architecture
            in_vain = 0
        else:
            assert architecture in neighbours(space, incumbent)
            in_vain += 1
            if architecture not in known:
                in_vain = 0
            if scattered(architecture) > scattered(incumbent):
                steps_to_known += architecture in known
                incumbent = architecture
                in_vain = 0
            if in_vain == 4:
                incumbent = None
        known.add(architecture)
    assert len(known) == 16 and steps_to_known > 100


def controller(space=NB201, seed=0):
    return Controller(query_task(space, scattered, 1, seed=seed))


def propose(learner, architecture, most=1):
    return learner.propose(moves(NB201, architecture), most)


def shares(learner, draws=600):
    """How often each gene and each (gene, option) is proposed, of one architecture."""
    start = NB201.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    by_gene = np.zeros(6)
    by_option = np.zeros((6, 5))
    for _ in range(draws):
        ((move, probabilities),) = propose(learner, start)
        by_gene[move.gene] += 1 / draws
        by_option[move.gene, move.option] += 1 / draws
        assert probabilities.sum() == pytest.approx(1)
        assert probabilities[move.option] > 0 and probabilities[0] == 0
    return by_gene, by_option


def test_at_first_all_is_as_likely():
    by_gene, by_option = shares(controller())
    # Six deviations of a share of so many draws.
    assert abs(by_gene - 1 / 6).max() < 6 * np.sqrt(1 / 6 / 600)
    assert abs(by_option[:, 1:] - 1 / 24).max() < 6 * np.sqrt(1 / 24 / 600)
    assert by_option[:, 0].sum() == 0


def test_what_gains_is_proposed_more_and_what_loses_less():
    for gain, more in ((5.0, True), (-5.0, False)):
        learner = controller()
        first = NB201.representatives[0]
        for _ in range(40):
            changes = propose(learner, first)
            if changes[0].move.option == 2:
                learner.reinforce(changes, gain)
        _, by_option = shares(learner)
        of_all = by_option[:, 2].sum()
        assert (of_all > 0.35) if more else (of_all < 0.2)


def test_genes_that_it_is_sure_of_are_changed_less():
    """By the factor e: of one gene the entropy is 0, of the others 1."""
    learner = controller()
    learner._preferences[3][:] = (0, 0, 0, 0, 1e6)
    by_gene, _ = shares(learner)
    expected = 1 / (1 + 5 * np.e)
    assert abs(by_gene[3] - expected) < 6 * np.sqrt(expected / 600)


def test_a_gain_is_cut_off_and_preferences_keep_their_sum():
    for size in (5.0, 500.0, inf):
        learner = controller()
        (change,) = changes = propose(learner, NB201.representatives[7])
        learner.reinforce(changes, size)
        learned = learner._preferences[change.move.gene]
        drawn = np.eye(5)[change.move.option]
        assert learned == pytest.approx(2.5 * (drawn - change.probabilities))
        assert learned.sum() == pytest.approx(0, abs=1e-9)
        learner.reinforce(changes, -size)
        assert learned == pytest.approx(np.zeros(5), abs=1e-9)
        others = np.delete(np.arange(6), change.move.gene)
        assert not any(learner._preferences[gene].any() for gene in others)


def test_several_changes_are_of_unlike_genes_and_lead_to_one_architecture():
    learner = controller()
    start = mutate(NB201, NB201.representatives[0], np.random.default_rng(0))
    for most, expected in ((2, 2), (6, 6), (7, 6)):
        changes = propose(learner, start, most)
        assert len({change.move.gene for change in changes}) == expected
        last = changes[-1].move.architecture
        assert changed_genes(NB201, start, last) == expected
