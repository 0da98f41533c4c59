"""The limits that `docs/limits.md` states are those that hold."""

import re

import pytest

from archselect.nasbench_adapters import limits

STATED = {
    "seeds of one option": limits.MOST_SEEDS,
    "runs, and final trainings, of one study": limits.MOST_RUNS,
    "queries of one run": limits.MOST_QUERIES,
    "spaces, data sets, supernets or selectors of one study": limits.MOST_PARTS,
    "whole numbers": limits.MOST_WHOLE_NUMBER,
    "workers": limits.MOST_WORKERS,
    "threads of `archselect train`": limits.MOST_THREADS,
    "epochs, in any training": limits.MOST_EPOCHS,
    "images of a batch, and of all batches of a network that is scored": limits.MOST_IMAGES_AT_ONCE,
    "batches of a validation, iterations of a selector": limits.MOST_BATCHES,
    "architectures of a population or tournament, changes of one architecture at once": limits.MOST_COUNT,
    "channels of a network's first stage": limits.MOST_CHANNELS,
    "layers, or cells of a stage": limits.MOST_LAYERS,
    "weights of a supernet, all operations taken for dense 3x3 convolutions": limits.MOST_WEIGHTS,
    "architectures of a space that is listed whole": limits.MOST_LISTED,
    "architectures of a space that is listed to draw queries from": limits.MOST_CANDIDATES,
    "architectures of a space whose true front is computed": limits.MOST_FRONT_CELLS,
    "architectures of which random cells' hypervolume is computed, and not simulated": limits.MOST_EXACT_CELLS,
    "architectures of `--cells sample:N`": limits.MOST_CELLS_SAMPLED,
    "tables and lists within one another, in TOML": limits.MOST_DEPTH,
    "a study (TOML)": limits.MOST_STUDY_BYTES,
    "a Python file with classes of your own": limits.MOST_CODE_BYTES,
    "a record, a baseline or another JSON file": limits.MOST_JSON_BYTES,
    "a line of a journal": limits.MOST_LINE_BYTES,
    "a supernet or checkpoint": limits.MOST_TENSOR_BYTES,
    "values of a supernet or checkpoint besides its tensors": limits.MOST_VALUES,
    "a pickle that is read whole": limits.MOST_PICKLE_BYTES,
    "a file of torch with one device's costs": limits.MOST_COST_FILE_BYTES,
    "rows of a CSV or Parquet file": limits.MOST_ROWS,
    "columns of a CSV or Parquet file": limits.MOST_COLUMNS,
    "arrays of an `.npz`": limits.MOST_ARRAYS,
}
IN_WORDS = [
    f"{limits.MOST_UNPACKED_TIMES} times the file's bytes",
    limits.format_bytes(limits.MOST_UNPACKED_BYTES),
    limits.format_bytes(limits.MOST_UNPACKED_PICKLE_BYTES),
    f"more than {limits.MOST_FREE_ROWS:,} rows",
    f"{limits.MOST_FREE_FIELDS:,} values, and {limits.MOST_FIELDS_TIMES} more for each byte",
    f"{limits.MOST_FREE_FIELDS:,} fields, and {limits.MOST_FIELDS_TIMES} more for each byte",
    f"copy {limits.MOST_CALL_TIMES} times its size",
    f"{limits.MOST_CONTAINERS:,} of its bytes",
]


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "limits.md").read_text(encoding="utf-8")


def test_the_tables_are_the_constants(page):
    rows = dict(re.findall(r"^\| (.+) \| ([\d,]+(?: MiB)?) \|$", page, re.MULTILINE))
    assert rows == {
        what: limits.format_bytes(most) if "MiB" in rows.get(what, "") else f"{most:,}"
        for what, most in STATED.items()
    }


def test_the_rest_is_said_in_words(page):
    text = " ".join(page.split())
    for words in IN_WORDS:
        assert words in text
