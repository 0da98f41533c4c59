"""Meanings of the words and numbers in a report."""

from __future__ import annotations

from collections.abc import Sequence

from archselect.reports.page.section import Section
from archselect.reports.results.results import Results

GLOSSARY = {
    "seed": "A run has two seeds, written supernet/selection. The supernet seed sets the initial weights and the "
    "order of the images; the selection seed sets every random choice of the selector. All selectors work on the same "
    "supernets.",
    "trial": "One training of one architecture in the truth, with one seed. An accuracy is the mean over trials.",
    "truth": "The source of the accuracies of stand-alone networks, for one data set, split and number of epochs: a "
    "table, a surrogate where the space is too large for a table, or final trainings of this study.",
    "looked up": "Read from a table. Some tables hold predicted accuracies; the report then says so.",
    "predicted": "Computed by a surrogate: a model fitted on a table of architectures. Nothing was trained. τ-b says "
    "how well it ranks architectures that it was not fitted on (Kendall's τ-b in cross-validation).",
    "trained": "Trained from scratch by this study: test accuracy after the last epoch.",
    "not in the table": "The table covers a part of the space, and the selected architecture is outside it. No mean "
    "includes such a run.",
    "mean ± std": "Mean and sample standard deviation (n − 1) over the seeds of a selector.",
    "rank": "1 + the number of architectures with a strictly higher accuracy, in the space or, where the truth covers "
    "only a part of it, in that part.",
    "gap": "Accuracy of the best architecture of the space (or of that part) minus the mean over seeds, in percentage "
    "points.",
    "τ-b, ρ": "τ-b: Kendall's rank correlation, corrected for ties. ρ: Spearman's, with tied values at their average "
    "rank.",
    "best-acc, avg-acc": "Value of an operation on an edge according to the truth: the best, or the mean, accuracy of "
    "all cells with this operation on this edge.",
    "undefined": "A correlation of too few values, or of values that are all equal, does not exist. The report counts "
    "these and leaves them out of means.",
    "noise": "Standard deviation between the trials of one architecture, averaged over architectures.",
    "ceiling": "Kendall's τ-b between two trials (or two halves of the trials). No score can be expected to agree "
    "better with a single trial (or half).",
    "forward, backward": "Forward and backward passes of one batch through a network.",
    "GFLOP": "10⁹ floating-point operations.",
}
WITHOUT_TRUTH = {"seed", "mean ± std", "forward, backward", "GFLOP"}
"""Words that the report of a study without a truth explains."""


def glossary(results: Results, sections: Sequence[Section]) -> dict[str, str]:
    """Return the words that a report explains, with those of its sections."""
    words = {
        word: meaning
        for word, meaning in GLOSSARY.items()
        if results.landscapes or word in WITHOUT_TRUTH
    }
    for section in sections:
        words |= section.extras.glossary
    return words
