"""The parser of genotypes: every form of a text, and that nothing else is read, executed or let through as it is."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces.genotype import (
    FIELDS,
    HIGHEST,
    LONGEST,
    Genotype,
    parse_genotype,
)

ENTRIES = [("sep_conv_3x3", 0), ("skip_connect", 1)]
TEXT = f"Genotype(normal={ENTRIES}, normal_concat=range(2, 6), reduce={ENTRIES}, reduce_concat=[2, 3, 4, 5])"

names = st.text(max_size=12)
entries = st.lists(st.tuples(names, st.integers(0, HIGHEST)), max_size=4)
numbers = st.lists(st.integers(0, 1000), max_size=4)
genotypes = st.builds(
    Genotype,
    normal=entries.map(tuple),
    normal_concat=numbers.map(tuple),
    reduce=entries.map(tuple),
    reduce_concat=numbers.map(tuple),
)


def fields(genotype):
    return {name: getattr(genotype, name) for name in FIELDS}


def parse_or_refuse(text):
    """What is refused is refused by UserError alone, in one line."""
    try:
        return parse_genotype(text)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        return None


@settings(max_examples=50)
@given(
    genotypes,
    st.permutations(FIELDS),
    st.booleans(),
    st.sampled_from(["", " ", "\n\t"]),
)
def test_every_genotype_survives_the_round_trip(genotype, order, tuples, blanks):
    """As it is written; with parts in any order, tuples for lists and blanks; and as JSON."""
    assert parse_genotype(str(genotype)) == genotype
    form = tuple if tuples else list
    parts = [f"{name}={form(getattr(genotype, name))!r}" for name in order]
    assert (
        parse_genotype(f"{blanks}Genotype({blanks}{f',{blanks}'.join(parts)},){blanks}")
        == genotype
    )
    plain = json.dumps(
        {name: fields(genotype)[name] for name in order}, ensure_ascii=False
    )
    assert parse_genotype(plain) == genotype
    assert parse_genotype(repr(fields(genotype))) == genotype


@settings(max_examples=25)
@given(genotypes, st.integers(0, 100), st.integers(0, 100))
def test_a_range_is_its_numbers(genotype, start, stop):
    def concat(text):
        return parse_genotype(
            str(genotype).replace(written, f"normal_concat={text}")
        ).normal_concat

    written = f"normal_concat={list(genotype.normal_concat)}"
    assert concat(f"range({start}, {stop})") == tuple(range(start, stop))
    assert concat(f"range({stop})") == tuple(range(stop))


@given(st.text())
def test_any_text_is_read_or_refused(text):
    parse_or_refuse(text)


PIECES = [
    *"()[]{}'\"\\=,:#*-+.~0",
    *(
        "Genotype",
        "range",
        "normal",
        "reduce_concat",
        "('skip_connect', 0)",
        "lambda",
        "None",
        "True",
        "1.5",
        "1e9",
    ),
    *("f'{0}'", "b'x'", "0xff", "1_0", "if", "is", "await", "é", "٣"),
    *"\n\r\x00\x0c\u2028\x85\ud800",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_heap_of_pieces_is_read_or_refused(parts):
    parse_or_refuse("".join(parts))


@given(st.data())
def test_some_edits_of_a_genotype_are_read_or_refused(data):
    text = TEXT
    for _ in range(data.draw(st.integers(1, 3))):
        at, cut = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
        new = data.draw(st.sampled_from(PIECES) | st.text(max_size=3))
        text = text[:at] + new + text[at + cut :]
    genotype = parse_or_refuse(text)
    if genotype is not None:
        assert parse_genotype(str(genotype)) == genotype


@pytest.mark.parametrize(
    "text",
    [
        *(bracket * 200 for bracket in "([{"),
        *(bracket * (LONGEST - 1) for bracket in "([{-~"),
        "not " * 2000,
        "1" + "+1" * 4000,
        "a" + ".a" * 4000,
        "f" + "()" * 4000,
        "x" + "[0]" * 3000,
        "lambda:" * 1000 + "0",
        "[" * 4000 + "]" * 4000,
        "f'" + "{" * 300,
        "9" * 5000,
        "1e" + "9" * 400,
        "\ud800",
        "\x00",
        "normal",
        "...",
    ],
    ids=lambda text: f"{text[:8]!r}x{len(text)}",
)
def test_texts_that_break_parsers_are_refused(text):
    """On their own and in a place where a value is wanted."""
    assert parse_or_refuse(text) is None
    assert (
        parse_or_refuse(
            f"Genotype(normal={text}, normal_concat=[2], reduce=[], reduce_concat=[2])"
        )
        is None
    )
    assert (
        parse_or_refuse(
            f"Genotype(normal=[('x', {text})], normal_concat=[2], reduce=[], reduce_concat=[2])"
        )
        is None
    )


@pytest.mark.parametrize(
    "evil",
    [
        "__import__('pathlib').Path('PATH').touch()",
        "[__import__('pathlib').Path('PATH').touch() for _ in '1']",
        "[(open('PATH', 'w').name, 0)]",
        "(lambda: open('PATH', 'w'))()",
        "f\"{open('PATH', 'w')}\"",
        "[(f\"{open('PATH', 'w')}\", 0)]",
        "range(open('PATH', 'w').fileno())",
        "[*open('PATH', 'w')]",
        "(x := open('PATH', 'w'))",
        "{**open('PATH', 'w')}",
    ],
)
def test_nothing_in_a_text_is_executed(tmp_path, evil):
    evil = evil.replace("PATH", str(tmp_path / "made").replace("\\", "/"))
    rest = "normal_concat=[2], reduce=[], reduce_concat=[2]"
    for text in (
        evil,
        f"Genotype(normal={evil}, {rest})",
        f"Genotype(normal=[('x', {evil})], {rest})",
    ):
        assert parse_or_refuse(text) is None
    text = f"Genotype(normal=[], normal_concat={evil}, reduce=[], reduce_concat=[2])"
    assert parse_or_refuse(text) is None
    assert parse_or_refuse(f"Genotype(**{evil})") is None
    assert parse_or_refuse(f"Genotype({evil}, {rest}, normal=[])") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TEXT, "", "wanted Genotype\\(normal="),
        (
            TEXT,
            f"A = {TEXT}; B = {TEXT}",
            "the text has 2 genotypes: give only one",
        ),
        (TEXT, f"{TEXT}\n" * 1200, "the text has 1,200 genotypes: give only one"),
        (TEXT, f"genotype = {TEXT}"[:-20], "its last bracket is missing"),
        (TEXT, "Genotype(", "its last bracket is missing"),
        (TEXT, "Genotype(normal=[('x, 0)])", "its last bracket is missing"),
        (TEXT, f"Genotype({TEXT})", "wanted Genotype\\(normal="),
        (TEXT, "MyGenotype(normal=[])", "wanted Genotype\\(normal="),
        (TEXT, "x" * (LONGEST + 1), "10001 characters, more than 10000"),
        (TEXT, "Genotyp(normal=[])", "wanted Genotype\\(normal="),
        (TEXT, "Genotype([], [2], [], [2])", "wanted Genotype\\(normal="),
        (TEXT, "{'normal': [], 'normal': []}", "normal is given twice"),
        (TEXT, "{1: []}", "unknown part of a genotype"),
        (TEXT, "{**{}}", "unknown part of a genotype"),
        (TEXT, "Genotype()", "it lacks normal, normal_concat, reduce, reduce_concat"),
        (", reduce_concat=[2, 3, 4, 5]", "", "it lacks reduce_concat"),
        (
            "reduce=",
            "reduse=",
            "unknown part of a genotype 'reduse': did you mean 'reduce'",
        ),
        ("reduce=", "normal=", "normal"),
        (
            "normal=[",
            "normal=[5, ",
            "entry 0 of normal is not \\('operation', source\\)",
        ),
        (
            "('skip_connect', 1)], reduce_concat",
            "('skip_connect', '1')], reduce_concat",
            "entry 1 of reduce is not",
        ),
        ("('skip_connect', 1)]", "('skip_connect', True)]", "entry 1 of normal is not"),
        ("('skip_connect', 1)]", "('skip_connect', -1)]", "entry 1 of normal is not"),
        ("('skip_connect', 1)]", "('skip_connect', 1, 2)]", "entry 1 of normal is not"),
        ("('skip_connect', 1)]", "(1, 'skip_connect')]", "entry 1 of normal is not"),
        ("('skip_connect', 1)]", "'skip_connect']", "entry 1 of normal is not"),
        (
            "('skip_connect', 1)]",
            f"('skip_connect', 0x{'f' * 5000})]",
            "entry 1 of normal is not",
        ),
        (
            "range(2, 6)",
            "range(2, 6, 1)",
            "normal_concat must be a range of a few numbers",
        ),
        ("range(2, 6)", "range()", "normal_concat must be a range of a few numbers"),
        (
            "range(2, 6)",
            "range(10**9)",
            "normal_concat must hold whole numbers only",
        ),
        (
            "range(2, 6)",
            "range(1000000000)",
            "normal_concat must be a range of a few numbers",
        ),
        (
            "range(2, 6)",
            f"range(0x{'f' * 5000})",
            "normal_concat must be a range of a few numbers",
        ),
        ("range(2, 6)", "range(stop=6)", "normal_concat is not a list"),
        ("range(2, 6)", "6", "normal_concat is not a list"),
        (
            "[2, 3, 4, 5]",
            "[2, 3, 4, '5']",
            "reduce_concat must hold whole numbers only",
        ),
        (
            "[2, 3, 4, 5]",
            "[2, 3, 4, 5.0]",
            "reduce_concat must hold whole numbers only",
        ),
        (
            "[2, 3, 4, 5]",
            "[True]",
            "reduce_concat must hold whole numbers only",
        ),
        ("[2, 3, 4, 5]", "{2, 3, 4, 5}", "reduce_concat is not a list"),
    ],
)
def test_a_malformed_genotype_is_refused_with_the_place(old, new, message):
    assert old in TEXT
    with pytest.raises(UserError, match=message) as raised:
        parse_genotype(TEXT.replace(old, new, 1))
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        f"DARTS_V2 = {TEXT}\n",
        f"11/05 10:12:13 PM genotype = {TEXT}",
        f"2019-11-05 10:12:13,123 - train - INFO - genotype = {TEXT}",
        f"\ufeff11/05 10:12:13 PM genotype = {TEXT}\r\n",
        f"(epoch 49) [it's: {TEXT}] train_acc 99.1, it's done\n",
        f"genotypes.DARTS = {TEXT}; # it's the one of {{the}} paper)",
        f"{TEXT}\n11/05 10:12:13 PM alphas tensor([[0.1, 0.2]])",
        TEXT.replace("Genotype(", "Genotype (\n  ")
        .replace("), (", "),\n (")
        .replace("reduce=", "# of stage 2\nreduce="),
    ],
)
def test_a_genotype_is_read_out_of_the_text_around_it(text):
    assert parse_genotype(text) == parse_genotype(TEXT)


@pytest.mark.parametrize("width", [1, 2, 7, 40, 80])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_terminals_line_breaks_may_fall_anywhere(width, end):
    line = f"genotype = {TEXT}"
    start = len("genotype = Genotype(")
    parts = [line[at : at + width] for at in range(start, len(line), width)]
    assert parse_genotype(line[:start] + end + end.join(parts)) == parse_genotype(TEXT)


def test_escaped_quotes_and_brackets_within_names():
    named = TEXT.replace("skip_connect", r"it\'s (\"it\") [")
    assert parse_genotype(f"a = {named} b").normal[1] == ('it\'s ("it") [', 1)


def test_a_whole_log_with_one_genotype_is_read():
    log = "11/05 10:12:13 PM train 000 (it's) 2.3\n" * 10 * LONGEST
    assert parse_genotype(f"{log}genotype = {TEXT}\n{log}") == parse_genotype(TEXT)


@pytest.mark.filterwarnings("error")
def test_reading_warns_of_nothing():
    """Python's own parser would, of a backslash that escapes nothing, in a text that was never meant for it."""
    assert parse_genotype(TEXT.replace("skip_connect", r"skip\d")).normal[1] == (
        r"skip\d",
        1,
    )
    assert parse_or_refuse("1if 2else 3") is None
