from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.variants import list_differences


def test_a_study_differs_from_itself_in_nothing(small_study):
    assert list_differences(small_study, small_study) == []


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
    assert list_differences(changed, whole) == [
        "seeds, supernet: [0, 1, 2] in place of [0, 1]",
        "data, limit: 48 in place of 32",
        "selector random: left out",
        "selector darts-pt, tune_epochs: 2 in place of 1",
        "selector chance: added",
    ]


def test_a_variant_of_a_single_part_is_held_against_it_whatever_its_name():
    found = list_differences(
        read_study("zero-cost-pt-darts-cpu"), read_study("zero-cost-pt-darts")
    )
    assert "data, limit: 5000 in place of unset" in found
    assert "seeds, supernet: [0] in place of [0, 1, 2, 3]" in found
    assert not any(difference.startswith(("space", "supernet")) for difference in found)
