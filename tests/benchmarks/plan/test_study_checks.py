import pytest

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.variants import make_variant
from archselect.nasbench_adapters.errors import UserError


def test_one_selector_with_two_settings_needs_labels(write_study):
    twice = (
        'name = "zero-cost-pt"',
        'name = "random"\non = ["untrained"]\n\n[[selectors]]\nname = "zero-cost-pt"',
    )
    with pytest.raises(
        UserError,
        match="selectors: 'random' occurs twice: give each a different 'label'",
    ):
        read_study(str(write_study(twice)))
    labelled = (twice[0], twice[1].replace('"random"', '"random"\nlabel = "again"'))
    pairs = read_study(str(write_study(labelled))).pairs()
    assert "again" in [pair.label for pair in pairs]


def test_two_files_whose_classes_have_one_name(write_study, tmp_path):
    from archselect.benchmarks.cli.extending import new_selector

    for name in ("one.py", "two.py"):
        new_selector(tmp_path / name)
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(
            text.replace('= "one"', '= "own"').replace('= "two"', '= "own"')
        )
    study = read_study(str(write_study()))
    files = [str(tmp_path / name) for name in ("one.py", "two.py")]
    with pytest.raises(
        UserError,
        match=r"one\.py and .*two\.py are both named 'own': give the classes different names",
    ):
        make_variant(study, "small", selectors=files)


def test_a_selector_without_settings(write_study):
    with pytest.raises(
        UserError, match="selector random: unknown key 'bogus'; it has no settings"
    ):
        read_study(str(write_study(('name = "random"', 'name = "random"\nbogus = 1'))))


@pytest.mark.parametrize(
    ("space", "more"),
    [("nbgraph", ""), ("nb101", "; search its sub-space nb1shot1-1, .* or nb1shot1-3")],
)
def test_a_selector_that_needs_a_supernet_is_refused_where_there_is_none(
    write_study, space, more
):
    study = write_study(('"nb201"', f'"{space}"'))
    wanted = f"space {space} has no supernet: selector [a-z-]+ needs one{more}$"
    with pytest.raises(UserError, match=wanted):
        read_study(str(study))


def test_a_supernet_on_a_space_without_any_is_refused_whatever_selects(tmp_path):
    path = tmp_path / "alone.toml"
    path.write_text(
        """
name = "alone"
title = "Random search alone"
tables = ["time"]

[seeds]
supernet = [0]

[[spaces]]
name = "nbgraph"

[[data]]
name = "digits"

[[supernets]]
recipe = "untrained"

[[selectors]]
name = "random"
""",
        encoding="utf-8",
    )
    wanted = (
        r"space nbgraph has no supernet: for selector random, set on = \[\], or remove the space from the 'spaces' of "
        "supernet untrained"
    )
    with pytest.raises(UserError, match=wanted):
        read_study(str(path))
    path.write_text(path.read_text().replace('"random"', '"random"\non = []'))
    assert read_study(str(path)).pairs()[0].supernet is None


MISTAKES = {
    "a key of the study": (
        ('title = "A', 'titel = "A'),
        "(title: Field required|unknown key 'titel')",
    ),
    "an extra key of the study": (
        ('title = "A', 'tables_ = []\ntitle = "A'),
        "'tables_': did you mean 'tables'?",
    ),
    "a key of the seeds": (
        ("supernet = [0, 1]", "supernet = [0]\nselectoin = [0]"),
        "mean 'selection'?",
    ),
    "a key of a space": (
        ("skeleton = {", "skeletton = {"),
        "'spaces.0.skeletton': did you mean 'skeleton'?",
    ),
    "a skeleton setting": (("channels = 2", "chanels = 2"), "did you mean 'channels'?"),
    "a skeleton value": (
        ("channels = 2", "channels = 0"),
        "a whole number of at least 1, not 0",
    ),
    "a skeleton's type": (
        ("channels = 2", 'channels = "2"'),
        "a whole number of at least 1, not '2'",
    ),
    "a reduction": (('"pool"', '"pol"'), "did you mean 'pool'?"),
    "a key of the data": (
        ("limit = 32", "limits = 48"),
        "'data.0.limits': did you mean 'limit'?",
    ),
    "a split": (
        ('split = "first"', 'split = "frist"'),
        r"data.0.split: Input should be 'first' or 'shuffled'",
    ),
    "a limit": (
        ("limit = 32", "limit = 1"),
        "data.0.limit: Input should be greater than or equal to 2",
    ),
    "a key of a truth": (
        ("epochs = 1 }", "epoch = 1 }"),
        "(did you mean 'epochs'|truth.0.epochs: Field required)",
    ),
    "an extra key of a truth": (
        ("epochs = 1 }", "epochs = 1, epoch = 2 }"),
        r"'data.0.truth.0.epoch': .* 'epochs'",
    ),
    "a key of a supernet": (
        ("epochs = 1\nb", "epoch = 1\nb"),
        "recipe darts 'epoch': did you mean 'epochs'?",
    ),
    "a supernet's type": (
        ("epochs = 1\nb", 'epochs = "ten"\nb'),
        "supernets.0.epochs: Input should be a valid int",
    ),
    "a recipe": (
        ('"untrained"\nbatch', '"untraind"\nbatch'),
        "did you mean 'untrained'",
    ),
    "a table": (('"time"]', '"times"]'), "tables.2: Input should be 'tau', 'accuracy'"),
    "a selector": (
        ('name = "darts-pt"', 'name = "darts-tp"'),
        "unknown selector 'darts-tp': did you mean 'darts-pt'",
    ),
    "a setting of a selector": (
        ("tune_epochs", "tune_epoch"),
        "'tune_epoch': did you mean 'tune_epochs'?",
    ),
    "a setting's value": (
        ("tune_epochs = 1", "tune_epochs = -1"),
        "selector darts-pt: tune_epochs: .* equal to 0",
    ),
    "a proxy": (
        ("iterations = 2", 'proxy = "nwto"'),
        "unknown proxy 'nwto': did you mean 'nwot'",
    ),
    "a space": (
        ('"nb201"', '"nb-201"'),
        "unknown space 'nb-201': did you mean 'nb201'",
    ),
    "a supernet of a selector": (
        ('on = ["darts"]', 'on = ["dart"]'),
        "supernet of selector .*did you mean 'darts'",
    ),
    "a seed twice": (
        ("supernet = [0, 1]", "supernet = [1, 1]"),
        "seeds.supernet: 1 occurs twice",
    ),
    "no seed": (
        ("supernet = [0, 1]", "supernet = []"),
        "seeds.supernet: List should have at least 1 item",
    ),
    "a supernet twice": (
        ('recipe = "untrained"', 'recipe = "darts"'),
        "supernets: 'darts' occurs twice",
    ),
    "a name for a folder": (
        ('name = "small"', 'name = "../small"'),
        "name: String should match",
    ),
    "malformed TOML": (("[seeds]", "[seeds"), "is not valid TOML: .*line"),
    "numbers of no selector": (
        (
            "[seeds]",
            '[[reproduces]]\npaper = "x"\ntable = "x"\nmethod = "x"\nselector = "darts-tp"\n\n[seeds]',
        ),
        "unknown selector of 'reproduces' 'darts-tp': did you mean 'darts-pt'",
    ),
    "no published numbers": (
        ('"time"]', '"reproduction"]'),
        r"'reproduction' needs \[\[reproduces\]\]",
    ),
    "a study to vary": (
        ('name = "small"', 'name = "small"\nvariant_of = "quikstart"'),
        "did you mean 'quickstart'",
    ),
    "no data": (("[[data]]", "[[dada]]"), "(data: Field required|unknown key 'dada')"),
    "a space of a supernet": (
        ("epochs = 1\nb", 'spaces = ["NB201"]\nb'),
        "space of supernet darts .*mean 'nb201'",
    ),
    "data of a supernet": (
        ("epochs = 1\nb", 'data = ["digit"]\nb'),
        "data set of supernet darts .*mean 'digits'",
    ),
    "no trace to show": (
        ('"time"]', '"wiring"]'),
        "'wiring' needs a supernet with 'trace = true'",
    ),
    "no weights of operations to show": (
        ('"time"]', '"alphas"]'),
        "'alphas' needs a supernet that learns alphas, has 'trace = true'",
    ),
    "a trace of nothing": (
        ('"untrained"\nb', '"untrained"\ntrace = true\nb'),
        "untrained is not trained: remove 'trace'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_mend_in_a_line(write_study, mistake):
    replacement, message = MISTAKES[mistake]
    path = write_study(replacement)
    with pytest.raises(UserError, match=message) as caught:
        read_study(str(path))
    faults = caught.value.faults
    assert str(caught.value).count("\n") == (len(faults) if len(faults) > 1 else 0)
    assert all(fault.startswith(f"study {path}") for fault in faults)


def test_all_mistakes_of_a_study_are_named_together(write_study):
    """Also those of other parts where one part cannot be read at all."""
    path = write_study(
        ('"nb201"', '"nb101x"'),
        ('name = "darts-pt"', 'name = "darts-tp"'),
        ("limit = 32", "limits = 48"),
        ('"untrained"\nbatch', '"untraind"\nbatch'),
        ("supernet = [0, 1]", "supernet = []"),
    )
    with pytest.raises(UserError) as caught:
        read_study(str(path))
    heading, *lines = str(caught.value).splitlines()
    assert heading == "found 5 faults; nothing was started:"
    assert lines == sorted(lines) and len(lines) == 5
    for wanted in (
        "'nb101x'",
        "'darts-tp': did you mean 'darts-pt'",
        "'data.0.limits'",
        "'untraind'",
        "seeds.supernet",
    ):
        assert sum(wanted in line for line in lines) == 1, wanted
