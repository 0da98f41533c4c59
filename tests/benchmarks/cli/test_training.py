"""What 'archselect train' refuses, and how it reads settings."""

import sys

import pytest

from archselect.benchmarks.cli import main
from archselect.benchmarks.runs import one_training
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Trained

CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
NB201 = ("--protocol", "tiny", "--space", "nb201", "--out", "out", "--device", "cpu")


@pytest.fixture
def train(monkeypatch, capsys, tmp_path):
    """`train(*arguments)` is (exit code, standard output, standard error) of the command, run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    monkeypatch.setattr(
        one_training, "configure_process", lambda threads: None
    )  # it would settle this process for good

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["archselect", "train", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capsys.readouterr()
        return exit.value.code or 0, out, err

    return call


MISTAKES = {
    "protocol": (
        (CELL, "--protocol", "tinny"),
        "unknown protocol 'tinny': did you mean 'tiny'?",
    ),
    "space": (
        (CELL, "--protocol", "tiny", "--space", "NB201"),
        "unknown space 'NB201': did you mean 'nb201'?",
    ),
    "cell of another space": ((CELL, "--protocol", "tiny"), "malformed genotype"),
    "cell": ((CELL[:-9], *NB201), "malformed NAS-Bench-201 cell"),
    "protocol of another space": (
        (CELL, "--protocol", "darts-svhn", "--space", "nb201"),
        "protocol darts-svhn is not for space nb201; protocols for it: nb201, tiny",
    ),
    "data": ((CELL, *NB201, "--data", "digit"), "did you mean 'digits'?"),
    "device": ((CELL, *NB201[:-1], "gpu"), "unknown device 'gpu'"),
    "precision": (
        (CELL, *NB201, "--precision", "fp8"),
        "precision: Input should be 'float32', 'bf16' or 'fp16'",
    ),
    "too few images": (
        (CELL, *NB201, "--set", "limit=32"),
        "batch_size 64 exceeds the number of training images (32 in 'digits')",
    ),
    "epochs": (
        (CELL, *NB201, "--epochs", 0),
        "epochs: Input should be greater than or equal to 1",
    ),
    "no value": ((CELL, *NB201, "--set", "epochs"), "--set 'epochs' is not NAME=VALUE"),
    "twice": (
        (CELL, *NB201, "--set", "momentum=0", "--set", "momentum=0"),
        "--set names momentum twice",
    ),
    "setting": (
        (CELL, *NB201, "--set", "momentun=0"),
        "unknown setting of protocol tiny 'momentun': did you mean",
    ),
    "skeleton": (
        (CELL, *NB201, "--set", "skeleton.cell=2"),
        "unknown skeleton setting of nb201 'cell': did you mean",
    ),
    "skeleton's type": (
        (CELL, *NB201, "--set", "skeleton.cells=two"),
        "a whole number of at least 1, not 'two'",
    ),
    "auxiliary head": (
        (CELL, *NB201, "--set", "auxiliary_weight=0.4"),
        "space nb201 has no auxiliary head",
    ),
    "a last batch of one": (
        (CELL, *NB201, "--set", "batch_size=11"),
        "batch_size 11 leaves a last batch of one",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_2(train, tmp_path, mistake):
    arguments, message = MISTAKES[mistake]
    code, out, err = train(*arguments)
    assert (code, out) == (2, "") and message in err
    assert err.startswith("archselect: ") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


QUICK = (
    "--epochs",
    1,
    "--set",
    "limit=32",
    "--set",
    "batch_size=16",
    "--set",
    "skeleton.channels=2",
)


def test_a_diverging_training_says_so(train):
    code, _, err = train(
        CELL, *NB201, *QUICK, "--set", "learning_rate=1e30", "--set", "grad_clip=0"
    )
    assert (
        code == 2
        and "the training diverged (the training loss is nan in epoch 1): lower learning_rate"
        in err
    )


def test_settings_are_read_as_what_they_are(train, tmp_path):
    given = (
        "schedule=linear",
        "nesterov=true",
        "cutout=0",
        "weight_decay=1e-4",
        "flip=false",
    )
    code, _, err = train(
        CELL,
        *NB201,
        *QUICK,
        *(word for text in given for word in ("--set", text)),
        "--seed",
        7,
    )
    assert (code, err) == (0, "")
    (record,) = Folder(tmp_path / "out").read_all(Trained)
    settings = record.inputs.settings
    assert (settings["schedule"], settings["nesterov"], settings["cutout"]) == (
        "linear",
        True,
        0,
    )
    assert (settings["weight_decay"], settings["flip"], record.inputs.seed) == (
        1e-4,
        False,
        7,
    )
    assert set(record.overrides) == {
        *(
            "epochs",
            "limit",
            "batch_size",
            "schedule",
            "nesterov",
            "cutout",
            "weight_decay",
            "flip",
        ),
        "skeleton.channels",
    }


def test_protocols_are_listed(train, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["archselect", "list", "protocols"])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert all(
        part in out
        for part in (
            "darts-cifar10",
            "tiny",
            "drop_path=0.2",
            "nesterov=True",
            "ICLR 2020",
        )
    )
