"""NAS-Bench-Macro's files: the authors' JSON, a CSV, and the numbers of the published table."""

import csv
import gzip
import json

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.rank_correlations import spearman, tau_b
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.importing import detect, import_truth
from archselect.nasbench_adapters.truth.landscape import landscape
from archselect.nasbench_adapters.truth.nb_macro_file import import_csv

SPACE = get_space("nb-macro")
TRIALS = {"00000000": [45.32, 45.33, 45.44], "22212220": [93.13, 93.13, 93.12]}


def write_json(path, trials):
    """As the authors' file has them: single precision, and numbers that are not read."""
    content = {
        text: {"test_acc": [float(np.float32(value)) for value in values], "params": 1}
        for text, values in trials.items()
    }
    path.write_text(json.dumps(content))
    return path


def write_csv(path, trials):
    lines = ["arch,canonical,test1,test2,test3"]
    for text, values in trials.items():
        lines.append(f"{text},x,{','.join(map(str, values))}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("write", "name", "format"),
    [
        (write_json, "nas-bench-macro_cifar10.json", "nb-macro-json"),
        (write_csv, "macro.csv", "nb-macro-csv"),
    ],
)
def test_a_file_becomes_columns_of_all_trials_and_of_some(
    tmp_path, write, name, format
):
    path = write(tmp_path / name, TRIALS)
    assert detect(path) == format
    import_truth(path, name="macro", space="nb-macro")
    truth = open_truth("macro")
    for text, values in TRIALS.items():
        for split, expected in (
            ("test-best-epoch", values),
            ("test-best-epoch-1", values[:1]),
            ("test-best-epoch-2-3", values[1:]),
        ):
            trials = truth.lookup(SPACE.parse(text), "cifar10", split, 50)
            assert trials.accuracies == tuple(expected)
    assert "the best over the epochs of each training" in truth.origin
    assert name in truth.origin


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[]", "networks of type list"),
        ('{"00000000": {"test_acc": [1, 2]}}', "00000000 has 2 trials"),
        ('{"00000000": {"acc": [1, 2, 3]}}', "does not have the benchmark's form"),
        ('{"0000": {"test_acc": [1, 2, 3]}}', "wanted 8 layers, found 4"),
        ('{"00000000": {"test_acc": [1, 2, 300]}}', "outside 0..100"),
        ("{", "does not have the benchmark's form"),
    ],
)
def test_another_json_is_refused_with_its_name(tmp_path, text, advice):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(UserError, match=f"other.json.*{advice}"):
        import_truth(path, name="macro", space="nb-macro")


def test_another_csv_is_refused_with_its_row(tmp_path):
    path = write_csv(tmp_path / "macro.csv", TRIALS | {"11111111": [90, "x", 91]})
    with pytest.raises(UserError, match=r"row 3: test2 must be a number"):
        import_csv(path, "macro")
    path.write_text("arch,test1\n00000000,45.32\n")
    with pytest.raises(UserError, match="lacks test2, test3: it needs arch"):
        import_csv(path, "macro")


@pytest.fixture(scope="module")
def published(shared_file):
    return import_csv(shared_file("nasbench_macro_cifar10.csv.gz"), "nb-macro")


@pytest.fixture(scope="module")
def means(published):
    """The mean of three trials by text, in lexicographic order."""
    means = published.means("cifar10", "test-best-epoch", 50)
    rows = published.population.choices
    texts = ["".join(map(str, row)) for row in rows.tolist()]
    return dict(zip(texts, means.tolist(), strict=True))


def canonical(text):
    return SPACE.format(SPACE.canonical(SPACE.parse(text)))


def test_the_published_accuracies_of_single_networks(means):
    assert len(means) == 6561
    classes = {text for text in means if text == canonical(text)}
    ranked = sorted(classes, key=means.__getitem__, reverse=True)
    assert len(classes) == 3969
    assert ranked[:2] == ["22212220", "22222221"]
    for text, accuracy in {
        "22212220": 93.127,
        "22222221": 93.107,
        "00000000": 45.363,
        "11111111": 91.930,
        "22222222": 92.953,
    }.items():
        assert means[text] == pytest.approx(accuracy, abs=5e-4)
    better = [value for value in means.values() if value > means["2" * 8]]
    assert len(better) == 20


def test_the_published_accuracies_of_the_whole_space(means):
    values = np.array(list(means.values()))
    assert values.mean() == pytest.approx(90.247, abs=5e-4)
    assert values.std() == pytest.approx(2.683, abs=5e-4)
    assert np.median(values) == pytest.approx(90.990, abs=5e-4)
    quantiles = np.percentile(values, [1, 10, 25, 75, 90, 99])
    expected = [80.19, 87.54, 89.46, 91.85, 92.35, 92.81]
    assert quantiles.tolist() == pytest.approx(expected, abs=6e-3)


def test_the_published_noise_and_rank_correlations(means, shared_file):
    with gzip.open(shared_file("nasbench_macro_cifar10.csv.gz"), "rt") as file:
        rows = list(csv.DictReader(file))
    accuracies = [means[row["arch"]] for row in rows]
    for column, rho, tau in (("macs", 0.748, 0.556), ("params", 0.318, 0.218)):
        sizes = [int(row[column]) for row in rows]
        assert spearman(sizes, accuracies) == pytest.approx(rho, abs=5e-4)
        assert tau_b(sizes, accuracies) == pytest.approx(tau, abs=5e-4)
    classes = sorted(
        (row for row in rows if row["arch"] == row["canonical"]),
        key=lambda row: -means[row["arch"]],
    )
    trials = [[float(row[f"test{trial}"]) for trial in (1, 2, 3)] for row in classes]
    deviations = np.std(trials, axis=1, ddof=1)
    assert np.median(deviations) == pytest.approx(0.171, abs=5e-4)
    for chosen, tau in ((classes, 0.880), (classes[:500], 0.236)):
        first = [float(row["test1"]) for row in chosen]
        second = [float(row["test2"]) for row in chosen]
        assert tau_b(first, second) == pytest.approx(tau, abs=2e-3)


def test_the_best_networks_differ_by_less_than_noise_in_six_layers(means):
    close = 0
    for layer in range(8):
        best = [
            max(value for text, value in means.items() if text[layer] == choice)
            for choice in "012"
        ]
        _, second, first = sorted(best)
        close += first - second <= 0.07 + 1e-6
    assert close == 6


def test_by_the_mean_every_layer_prefers_the_larger_operation(published):
    numbers = landscape(published, "cifar10", "test-best-epoch", 50)
    for layer in numbers.oracle_mean:
        small, middle, large = layer[0]
        assert small < middle < large
