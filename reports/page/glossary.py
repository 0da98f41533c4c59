"""What each word and number of a report stands for."""

from __future__ import annotations

from collections.abc import Sequence

from archselect.reports.page.section import Section
from archselect.reports.results.results import Results

GLOSSARY = {
    "seed": "A run is named by its supernet seed (weights and order of the images) and its selection seed "
    "(all that the selector draws), written supernet/selection. Every selector is compared on the same "
    "supernets.",
    "trial": "One training of one architecture in the truth, from one seed. An accuracy is the mean of its trials.",
    "truth": "What says which accuracy a stand-alone network has, at one data set, split and number of epochs: a "
    "table, or a surrogate where no table can hold the space.",
    "looked up": "Found in a table. A table's accuracies may themselves be predictions; then that is said.",
    "predicted": "By a surrogate, a model fitted on a table of architectures, with the Kendall's τ-b that it reached "
    "in cross-validation on architectures left out of the fit. Nothing was trained.",
    "trained": "By this study, from scratch and to the end: test accuracy after the last epoch.",
    "not in the table": "A table of a part of a space need not hold what was selected; such a run is in no mean.",
    "mean ± std": "Mean over the seeds of a selector and their sample standard deviation (n − 1).",
    "rank": "1 + the number of architectures in the space with a strictly higher accuracy; where the truth holds a "
    "part of the space, in that part.",
    "gap": "Accuracy of the best architecture of the space, or of that part, minus the mean over seeds, in percentage "
    "points.",
    "τ-b, ρ": "Kendall's rank correlation with correction for ties; Spearman's, ties at their average rank.",
    "best-acc, avg-acc": "What an operation on an edge is worth by the truth: the best, or the mean, "
    "accuracy of all cells that have it there.",
    "undefined": "A correlation of too few or all-equal values has no value; it is counted and said, and in no mean.",
    "noise": "Standard deviation between the trials of one architecture, mean over architectures.",
    "ceiling": "Kendall's τ-b of one trial with another (or of one half of the trials with the other): no "
    "score can be expected to agree better with such a trial (or half).",
    "forward, backward": "Passes of a batch through a network; GFLOP: 10⁹ floating-point operations.",
}
WITHOUT_TRUTH = {"seed", "mean ± std", "forward, backward"}
"""Words that a study without any truth uses, too."""


def glossary(results: Results, sections: Sequence[Section]) -> dict[str, str]:
    """Return the words that a report uses, with those of its sections."""
    words = {
        word: meaning
        for word, meaning in GLOSSARY.items()
        if results.landscapes or word in WITHOUT_TRUTH
    }
    for section in sections:
        words |= section.extras.glossary
    return words
