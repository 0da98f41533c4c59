"""The space of NAS-Bench-Graph: its text, what is valid, and classes against counts of labelled trees."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nbgraph import (
    OPERATIONS,
    SKIP,
    links_of,
    operations_of,
)

SPACE = get_space("nbgraph")
LINKS = list(product(range(2), range(3), range(4)))

architectures = st.builds(
    lambda links, operations: Architecture((links, operations)),
    st.sampled_from(LINKS),
    st.tuples(*[st.integers(0, SKIP)] * 4),
).filter(SPACE.valid)


def relabelled(links, operations):
    """Every way to number the layers of a network, sources before their readers."""
    for order in permutations(range(1, 5)):
        number = {0: 0} | {layer: place for place, layer in enumerate(order, 1)}
        new_links = [number[links[layer - 1]] for layer in order]
        if all(source < layer for layer, source in enumerate(new_links, 1)):
            yield tuple(new_links), tuple(operations[layer - 1] for layer in order)


def features(links, operations):
    """What the output joins: the operations from the input to each layer that none reads, skips left out.

    A layer of a skip alone adds nothing; the output is named with how many skips there
    are, as the released code keeps them.
    """
    joined = []
    for layer in set(range(1, 5)) - set(links):
        path = []
        while layer:
            if operations[layer - 1] != SKIP:
                path.append(operations[layer - 1])
            layer = links[layer - 1]
        joined.append(tuple(reversed(path)))
    return sorted(path for path in joined if path)


@given(architectures)
def test_a_text_is_read_back(architecture):
    text = SPACE.format(architecture)
    assert SPACE.parse(text) == architecture
    assert SPACE.parse(text.replace(",", " , ").replace("|", " | ")) == architecture


def test_a_text_says_what_layers_read_and_do():
    architecture = SPACE.parse("0,0,1,2|gcn,gat,fc,skip")
    assert links_of(architecture) == (0, 0, 1, 2)
    assert [OPERATIONS[k] for k in operations_of(architecture)] == [
        "gcn",
        "gat",
        "fc",
        "skip",
    ]
    (network,) = SPACE.graph(architecture)
    assert network["edges"] == [
        [0, 1, "gcn"],
        [0, 2, "gat"],
        [1, 3, "fc"],
        [2, 4, "skip"],
    ]
    assert network["output"] == [3, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wanted text such as"),
        ("0,0,0,0", "wanted text such as"),
        ("0,0,0,0|gcn,gcn|gcn,gcn", "wanted text such as"),
        ("0,0,1|gcn,gcn,gcn,gcn", "wanted 4 links, found 3"),
        ("0,0,1,1|gcn,gcn,gcn", "wanted 4 operations, found 3"),
        ("1,0,0,0|gcn,gcn,gcn,gcn", "layer 1 reads 0, not 1"),
        ("0,2,0,0|gcn,gcn,gcn,gcn", "unknown input of layer 2 '2'"),
        ("0,0,0,x|gcn,gcn,gcn,gcn", "unknown input of layer 4 'x'"),
        ("0,0,0,0|gcn,gta,gcn,gcn", "did you mean 'gat'"),
        ("0,1,2,3|skip,skip,skip,skip", "four skips compute nothing"),
    ],
)
def test_another_text_is_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as raised:
        SPACE.parse(text)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "choices", [((0, 0, None), (0,) * 4), ((0,) * 3, (0, 9, 0, 0))]
)
def test_no_text_of_what_is_no_network(choices):
    with pytest.raises(ValueError):
        SPACE.format(Architecture(choices))


def test_networks_of_skips_are_neither_listed_nor_sampled():
    invalid = [Architecture((links, (SKIP,) * 4)) for links in LINKS]
    assert len(invalid) == 24 and not any(map(SPACE.valid, invalid))
    listed = list(SPACE.enumerate())
    assert len(listed) == len(set(listed)) == SPACE.size == 2 * 3 * 4 * 9**4 - 24
    assert not set(invalid) & set(listed)


def test_sampling_draws_again_what_is_invalid():
    class Draws:
        """Gives the numbers of four skips first, then those of another network."""

        def __init__(self):
            self.numbers = iter([0, 0, 0, *[SKIP] * 4, 1, 2, 3, 0, 1, 2, 3])

        def integers(self, bound):
            return next(self.numbers)

    assert SPACE.sample(Draws()) == Architecture(((1, 2, 3), (0, 1, 2, 3)))


def test_the_chance_of_each_draw_is_equal():
    chances = SPACE.draw_probabilities(np.zeros((5, 7), dtype=np.int8))
    assert chances.tolist() == [1 / 157_440] * 5


@given(architectures)
def test_the_representative_is_of_its_own_class(architecture):
    representative = SPACE.canonical(architecture)
    assert SPACE.valid(representative)
    assert SPACE.canonical(representative) == representative
    assert SPACE.parse(SPACE.format(representative)) == representative


@given(architectures)
def test_the_numbers_of_layers_do_not_matter(architecture):
    links, operations = links_of(architecture), operations_of(architecture)
    representative = SPACE.canonical(architecture)
    for new_links, new_operations in relabelled(links, operations):
        other = Architecture((new_links[1:], new_operations))
        assert SPACE.canonical(other) == representative


@given(architectures)
def test_a_class_joins_the_same_features(architecture):
    representative = SPACE.canonical(architecture)
    assert features(links_of(architecture), operations_of(architecture)) == features(
        links_of(representative), operations_of(representative)
    )


def test_without_skips_classes_are_labelled_trees():
    """Rooted trees of four layers with one of n labels each, counted by Burnside's lemma per shape."""
    n = 2
    pairs = n * (n + 1) // 2
    counts = {
        (0, 0, 0): n * (n + 1) * (n + 2) * (n + 3) // 24,
        (0, 0, 1): n * n * pairs,
        (0, 1, 1): n * n * pairs,
        (0, 1, 2): n * n * (n * n + 1) // 2,
        (0, 1, 3): n**4,
        (1, 1, 1): n * n * (n + 1) * (n + 2) // 6,
        (1, 1, 2): n**4,
        (1, 2, 2): n * n * pairs,
        (1, 2, 3): n**4,
    }
    classes = {
        SPACE.canonical(Architecture((links, operations)))
        for links in LINKS
        for operations in product(range(n), repeat=4)
    }
    found = {shape: 0 for shape in counts}
    for architecture in classes:
        found[architecture.choices[0]] += 1
    assert found == counts


@pytest.mark.slow
def test_the_classes_are_those_that_the_benchmark_trained():
    representatives = SPACE.representatives
    assert len(SPACE.classes) == 157_440 and len(representatives) == 26_206
    of_class = dict.fromkeys(representatives, 0)
    for representative in SPACE.classes.values():
        of_class[representative] += 1
    assert (min(of_class.values()), max(of_class.values())) == (1, 164)


def test_there_is_no_supernet_and_no_network_of_images():
    assert not SPACE.has_supernet
    with pytest.raises(UserError, match="has no network that reads images"):
        SPACE.skeleton()
    with pytest.raises(UserError, match="no supernet: selector magnitude needs one"):
        SPACE.check_needs("magnitude", {"supernet"})
    SPACE.check_needs("random", frozenset())
