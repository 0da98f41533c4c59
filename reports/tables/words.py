"""Phrases for truths, accuracies, machines and sizes."""

from __future__ import annotations

from archselect.benchmarks.store.records import (
    Accuracy,
    Agreement,
    Landscape,
    Machine,
)
from archselect.reports.results.results import Results


def judged_landscapes(results: Results) -> list[Landscape]:
    """Return the landscapes that have judged a run of the study."""
    judged = []
    for landscape in results.landscapes:
        if any(group.judged(landscape) for group in results.groups):
            judged.append(landscape)
    return judged


def describe_landscape(results: Results, landscape: Landscape) -> str:
    """Return sentences on a landscape: truth, best and median accuracy, noise."""
    title = results.title(landscape)
    trials = trials_in_words(landscape)
    if not landscape.architectures:
        return f"{title} ({landscape.truth}): mean of {trials} of each selected cell; {landscape.origin}."
    if landscape.space_size is None:
        best = "optimum"
        these = "the space"
    else:
        best = "best of these"
        these = "these"
    noise = landscape.noise_std
    noise_in_words = "not known" if noise is None else f"{noise:.2f}"
    sentence = (
        f"{title} ({landscape.truth}, {extent(landscape)}, mean of {trials}): "
        f"{best} {optimum_in_words(landscape)}, median of {these} "
        f"{median(landscape):.2f}, noise (std between trials, mean over architectures) {noise_in_words}."
    )
    if is_measured_whole(landscape):
        return sentence
    return f"{sentence} {quality(landscape)}."


def optimum_in_words(landscape: Landscape) -> str:
    """Return the optimum as text, corrected for noise where the correction is known.

    The landscape must have architectures.
    """
    assert landscape.optimum is not None
    raw = f"{landscape.optimum:.2f}"
    corrected = landscape.optimum_corrected
    left_out = landscape.optimum_left_out
    if corrected is None:
        return f"{raw} (raw: the correction for noise needs repeated trials)"
    if corrected == landscape.optimum or left_out is None:
        return raw
    return (
        f"{corrected:.2f} corrected for noise (raw {raw}; leave-one-trial-out best: "
        f"{left_out:.2f})"
    )


def why_no_random_cell(results: Results, landscape: Landscape) -> str:
    """Return a sentence that says why the expectation of a random cell is not known.

    It is empty if the expectation is known.
    """
    if landscape.mean is not None:
        return ""
    if not landscape.architectures:
        reason = "only the selected architectures were trained"
    elif landscape.surrogate:
        reason = "a surrogate predicts its accuracies"
    elif landscape.space_size is not None:
        reason = f"the truth covers only {extent(landscape)}"
    else:
        reason = f"the probability of each cell in {landscape.space} is not known"
    return f"There is no row of a random cell on {results.title(landscape)} ({landscape.truth}): {reason}."


def extent(landscape: Landscape) -> str:
    """Return the number of architectures in a landscape, and in its space."""
    count = f"{landscape.architectures:,}"
    size = landscape.space_size
    if size is None:
        return f"{count} architectures"
    many = f"{size:,}" if size < 10**9 else f"{size:.1e}".replace("e+", "e")
    return f"{count} of the {many} architectures of {landscape.space}"


def quality(landscape: Landscape) -> str:
    """Return the source of a truth's accuracies, and a surrogate's quality."""
    if not landscape.architectures:
        return "Final trainings of this study"
    is_predicted = landscape.provenance == "predicted"
    if not landscape.surrogate:
        content = "predicted accuracies" if is_predicted else "measured accuracies"
        return f"Looked up in a table of {content}"
    if landscape.agreement is None:
        how_well = "whose agreement with trained networks was not measured here"
        which = "that the surrogate predicted"
    else:
        how_well = _agreement_in_words(landscape.agreement)
        which = "that it was fitted on"
        if is_predicted:
            which += ", whose accuracies are themselves predicted"
    architectures = f"{landscape.architectures:,} architectures {which}"
    return f"Predicted by a surrogate, {how_well}; ranks, gaps and oracles are among the {architectures}"


def _agreement_in_words(agreement: Agreement) -> str:
    """Return a surrogate's agreement with architectures outside its fit."""
    best_tenth = ""
    if agreement.best is not None:
        best_tenth = (
            f" (among the best tenth {agreement.best:.3f} "
            f"[{agreement.best_low:.3f}, {agreement.best_high:.3f}])"
        )
    return (
        f"{agreement.folds}-fold cross-validated on {agreement.architectures:,} architectures: "
        f"Kendall's τ-b {agreement.tau:.3f} [{agreement.tau_low:.3f}, {agreement.tau_high:.3f}]{best_tenth}, "
        f"Spearman's ρ {agreement.spearman:.3f} [{agreement.spearman_low:.3f}, {agreement.spearman_high:.3f}], "
        f"RMSE {agreement.rmse:.2f} [{agreement.rmse_low:.2f}, {agreement.rmse_high:.2f}] points"
    )


def median(landscape: Landscape) -> float:
    """Return the median accuracy of a landscape that has architectures."""
    return landscape.quantiles[len(landscape.quantiles) // 2]


def source_in_words(landscape: Landscape, accuracy: Accuracy) -> str:
    """Return the source of an accuracy: trained, predicted, looked up, and so on."""
    if accuracy.source == "looked up":
        return looked_up_in_words(landscape)
    return accuracy.source


def looked_up_in_words(landscape: Landscape) -> str:
    """Return "looked up", and whether the table's accuracies are predictions."""
    if landscape.provenance == "predicted":
        return "looked up, itself predicted"
    return "looked up"


def is_measured_whole(landscape: Landscape) -> bool:
    """Return whether a landscape has measured accuracies of a whole space.

    Then its description needs no sentence on quality.
    """
    return (
        not landscape.surrogate
        and landscape.provenance == "measured"
        and landscape.space_size is None
    )


def trials_in_words(landscape: Landscape) -> str:
    """Return the number of trials per architecture, such as "3 trials"."""
    return "1 trial" if landscape.trials == 1 else f"{landscape.trials} trials"


def machine_in_words(machine: Machine) -> str:
    """Return the device, name and number of threads of a machine."""
    threads = "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
    return f"{machine.device} ({machine.device_name}, {threads})"


def short(value: float, spread: float | None = None) -> str:
    """Return a size or duration with about three significant digits and no exponent.

    If `spread` is given, "± spread" follows.
    """
    if value < 0.001:
        return "<0.001" if value else "0"
    digits = _digits(value)
    text = f"{value:,.{digits}f}"
    return text if spread is None else f"{text} ± {spread:,.{digits}f}"


def _digits(value: float) -> int:
    """Return the number of decimals that gives about three significant digits."""
    if value < 1:
        return 3
    if value < 10:
        return 2
    return 1 if value < 100 else 0
