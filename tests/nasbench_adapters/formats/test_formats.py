"""Formats of the field: what their sources say of single cells, and the way there and back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.formats import FORMATS, formats_of, get_format
from archselect.nasbench_adapters.formats.literals import LONGEST
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.nasbench_adapters.spaces.genotype import parse_genotype

PAIRS = [
    (name, form) for name in ("nb201", "darts", "s1", "nb101")
    for form in formats_of(get_space(name))
]  # fmt: skip
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


@pytest.mark.parametrize(("name", "form"), PAIRS)
def test_there_and_back(name, form):
    space = get_space(name)
    one = get_format(form, space)
    rng = np.random.default_rng(3)
    for _ in range(50):
        architecture = space.sample(rng)
        text = one.write(space, architecture)
        assert one.parse(space, text) == architecture
        assert one.write(space, one.parse(space, f" {text}\n")) == text


def test_the_index_is_that_of_the_benchmark():
    """The three cells that the authors' script asserts, and every cell once."""
    space = get_space("nb201")
    index = get_format("index", space)
    stated = {
        0: "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
        9: "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
        123: "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|",
    }
    for place, text in stated.items():
        assert index.write(space, space.parse(text)) == str(place)
        assert space.format(index.parse(space, str(place))) == text
    places = {int(index.write(space, one)) for one in space.enumerate()}
    assert places == set(range(15_625))


def test_op_indices_are_naslibs():
    """Edges by source, then by target; operations in NASLib's order."""
    space = get_space("nb201")
    text = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|"
    assert get_format("op-indices", space).write(space, space.parse(text)) == (
        "(0, 1, 2, 3, 4, 0)"
    )


def test_darts_formats_are_those_of_the_genotype():
    space = get_space("darts")
    genotype = parse_genotype(DARTS_V2)
    architecture = space.parse(DARTS_V2)
    compact = get_format("compact", space).write(space, architecture)
    names = space.cells[0].operations[0]
    for row, entries in zip(
        json.loads(compact.replace("(", "[").replace(")", "]")),
        (genotype.normal, genotype.reduce),
        strict=True,
    ):
        read = [(names[index], source) for source, index in row]
        for node in range(4):
            of_node = slice(2 * node, 2 * node + 2)
            assert sorted(read[of_node]) == sorted(entries[of_node])

    config = json.loads(get_format("nb301", space).write(space, architecture))
    start = "NetworkSelectorDatasetInfo:darts:"
    assert all(key.startswith(start) for key in config)
    short = {key.removeprefix(start): value for key, value in config.items()}
    assert len(short) == 16 + 6
    # Node 2 has edges 0 and 1, node 3 edges 2 to 4, node 4 5 to 8, node 5 9 to 13.
    assert short["edge_normal_0"] == "sep_conv_3x3"
    assert short["inputs_node_normal_5"] == "0_2"
    assert short["edge_normal_11"] == "dil_conv_3x3"
    assert short["inputs_node_reduce_3"] == "1_2"
    assert short["edge_reduce_4"] == "skip_connect"
    assert "inputs_node_normal_2" not in short


def test_python_and_json_are_read_alike():
    space = get_space("darts")
    one = get_format("nb301", space)
    config = json.loads(one.write(space, space.parse(DARTS_V2)))
    assert one.parse(space, repr(config)) == space.parse(DARTS_V2)


def test_nb101_formats_have_the_same_graph():
    space = get_space("nb101")
    architecture = space.parse("0110/0001/0001/0000:conv1x1-bn-relu,maxpool3x3")
    assert json.loads(get_format("json", space).write(space, architecture)) == {
        "matrix": [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]],
        "ops": ["input", "conv1x1-bn-relu", "maxpool3x3", "output"],
    }
    numbers = (0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0)
    assert get_format("op-indices", space).write(space, architecture) == str(
        (*numbers, 0, 3, 2, 1)
    )


@pytest.mark.parametrize(
    ("name", "form", "text", "message"),
    [
        ("nb201", "index", "15625", "no whole number from 0 to 15,624"),
        ("nb201", "index", "-1", "something that is neither"),
        ("nb201", "index", "True", "something that is neither"),
        ("nb201", "op-indices", "(0, 1, 2, 3, 4)", "is not a list of 6 whole numbers"),
        ("nb201", "op-indices", "(0, 1, 2, 3, 4, 5)", "no operation 5"),
        ("nb201", "op-indices", "(0, 1, 2, 3, 4, 1.0)", "something that is neither"),
        ("nb201", "op-indices", "[" * 5000, "malformed op-indices"),
        ("nb201", "op-indices", "1" * (LONGEST + 1), "characters, more than"),
        ("nb201", "op-indices", "__import__('os').getcwd()", "something that is neither"),
        ("nb201", "op-indices", "(0,\x000)", "malformed op-indices"),
        ("darts", "compact", "((0, 1), 3)", "not 2 lists"),
        ("darts", "compact", "(((0, 7),), ())", "no operation 7"),
        ("darts", "compact", "(((0, 1),), ())", "has 1 entries"),
        ("darts", "nb301", '{"a": 1}', "the value of 'a' is not a text"),
        ("darts", "nb301", '{"a": "1", "a": "1"}', "'a' is given twice"),
        ("darts", "nb301", "{**{}}", "a key is not a text"),
        ("nb101", "json", '{"matrix": [[0, 1], [0, 0]]}', "no dictionary of matrix"),
        ("nb101", "json", '{"matrix": [[0, 1]], "ops": ["input", "output"]}', "rows"),
        ("nb101", "json", '{"matrix": [[0]], "ops": ["input"]}', "input first"),
        ("nb101", "json", '{"matrix": [], "ops": []}', "input first"),
        ("nb101", "json", '{"matrix": [[0,9],[0,0]], "ops": ["input","output"]}', "0 and 1"),
        ("nb101", "op-indices", "()", "names input first"),
        ("nb101", "op-indices", "(0, 1, 2)", "are no matrix"),
    ],
)  # fmt: skip
def test_hostile_texts_are_refused_in_one_line(name, form, text, message):
    space = get_space(name)
    with pytest.raises(UserError) as error:
        get_format(form, space).parse(space, text)
    line = str(error.value)
    assert message in line
    assert "\n" not in line
    assert len(line) < 500


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.sampled_from(PAIRS))
def test_any_text_is_read_or_refused(text, pair):
    name, form = pair
    space = get_space(name)
    one = get_format(form, space)
    try:
        architecture = one.parse(space, text)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert one.parse(space, one.write(space, architecture)) == architecture


def test_a_configuration_that_contradicts_itself_is_refused():
    space = get_space("darts")
    one = get_format("nb301", space)
    config = json.loads(one.write(space, space.parse(DARTS_V2)))
    key = "NetworkSelectorDatasetInfo:darts:inputs_node_normal_5"
    for changed in ({**config, key: "0_1"}, {**config, "extra": "1"}):
        with pytest.raises(UserError, match="where the edges give"):
            one.parse(space, json.dumps(changed))
    del config[key]
    with pytest.raises(UserError, match="is absent, where the edges give 0_2"):
        one.parse(space, json.dumps(config))


def test_what_a_format_lacks_is_refused():
    space = get_space("s4")
    noisy = space.sample(np.random.default_rng(0))
    for form in ("compact", "nb301"):
        with pytest.raises(UserError, match="has no operation noise"):
            get_format(form, space).write(space, noisy)
    with pytest.raises(UserError, match="space nb-macro has its own text form only"):
        get_format("index", get_space("nb-macro"))
    with pytest.raises(UserError, match="did you mean 'compact'"):
        get_format("compakt", get_space("darts"))


def test_each_format_is_of_a_space_and_says_where_from():
    for one in FORMATS:
        of = [name for name in SPACES if one.name in formats_of(get_space(name))]
        assert of
        assert one.source
        assert one.summary
