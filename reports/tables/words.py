"""What a truth, its accuracies, a machine and a size are called, in tables and on the page."""

from __future__ import annotations

from archselect.benchmarks.store.records import Accuracy, Landscape, Machine
from archselect.reports.results.results import Results


def reference(results: Results, landscape: Landscape) -> str:
    """In words, what the numbers of a landscape are, how good they are, and what they are to be read against."""
    title = results.title(landscape)
    if not landscape.architectures:
        return f"{title} ({landscape.truth}): mean of {trials(landscape)} of each selected cell; {landscape.origin}."
    noise = "not known" if landscape.noise_std is None else f"{landscape.noise_std:.2f}"
    best, these = (
        ("optimum", "the space")
        if landscape.space_size is None
        else ("best of these", "these")
    )
    said = (
        f"{title} ({landscape.truth}, {extent(landscape)}, mean of {trials(landscape)}): "
        f"{best} {optimum(landscape)}, median of {these} "
        f"{median(landscape):.2f}, noise (std between trials, mean over architectures) {noise}."
    )
    return said if is_plain(landscape) else f"{said} {quality(landscape)}."


def optimum(landscape: Landscape) -> str:
    """Return the optimum in words, corrected for noise where that is known; the landscape must be of something."""
    assert landscape.optimum is not None
    raw = f"{landscape.optimum:.2f}"
    if landscape.optimum_corrected is None:
        return f"{raw} (raw: without repeated trials it cannot be corrected for noise)"
    if (
        landscape.optimum_corrected == landscape.optimum
        or landscape.optimum_left_out is None
    ):
        return raw
    return (
        f"{landscape.optimum_corrected:.2f} corrected for noise (raw {raw}; what is best by all trials but one has "
        f"{landscape.optimum_left_out:.2f} on the one left out, mean over the trials)"
    )


def random_cell(results: Results, landscape: Landscape) -> str:
    """Return why no expectation of a random cell is known, in a sentence; empty where one is."""
    if landscape.mean is not None:
        return ""
    if not landscape.architectures:
        reason = "only what was selected was trained"
    elif landscape.surrogate:
        reason = "a surrogate predicts its accuracies"
    elif landscape.space_size is not None:
        reason = f"the truth holds {extent(landscape)} only"
    else:
        reason = (
            f"how likely each cell is to be drawn from {landscape.space} is not known"
        )
    return f"There is no row of a random cell on {results.title(landscape)} ({landscape.truth}): {reason}."


def extent(landscape: Landscape) -> str:
    """How many architectures a landscape is of, and of how many."""
    found, size = f"{landscape.architectures:,}", landscape.space_size
    if size is None:
        return f"{found} architectures"
    many = f"{size:,}" if size < 10**9 else f"{size:.1e}".replace("e+", "e")
    return f"{found} of the {many} architectures of {landscape.space}"


def quality(landscape: Landscape) -> str:
    """In words, how an accuracy of a truth comes about, and how well a surrogate predicts."""
    if not landscape.architectures:
        return "Trained here to the end"
    behind = landscape.provenance == "predicted"
    if not landscape.surrogate:
        return f"Looked up in a table of {'predictions, not of trainings' if behind else 'measured accuracies'}"
    found = landscape.agreement
    if found is None:
        told, among = "how well was not measured here", "predicted by it, too"
    else:
        tenth = (
            ""
            if found.best is None
            else f" (among the best tenth {found.best:.3f} [{found.best_low:.3f}, {found.best_high:.3f}])"
        )
        told = (
            f"{found.folds}-fold cross-validated on {found.architectures:,} architectures: "
            f"Kendall's τ-b {found.tau:.3f} [{found.tau_low:.3f}, {found.tau_high:.3f}]{tenth}, "
            f"Spearman's ρ {found.spearman:.3f} [{found.spearman_low:.3f}, {found.spearman_high:.3f}], "
            f"RMSE {found.rmse:.2f} [{found.rmse_low:.2f}, {found.rmse_high:.2f}] points"
        )
        among = "that it was fitted on" + (
            ", whose accuracies are themselves predicted" if behind else ""
        )
    of = f"{landscape.architectures:,} architectures {among}"
    return f"Predicted by a surrogate, {told}; ranks, gaps and oracles are of the {of}"


def median(landscape: Landscape) -> float:
    """The median accuracy of the landscape, which must be of something."""
    return landscape.quantiles[len(landscape.quantiles) // 2]


def source(landscape: Landscape, accuracy: Accuracy) -> str:
    """How an accuracy came about; one that was looked up may be a prediction all the same."""
    both = (accuracy.source, landscape.provenance)
    return (
        "looked up, itself predicted"
        if both == ("looked up", "predicted")
        else accuracy.source
    )


def is_plain(landscape: Landscape) -> bool:
    """Whether a landscape is of measured accuracies of a whole space, so that nothing more need be said of it."""
    return (
        not landscape.surrogate
        and landscape.provenance == "measured"
        and landscape.space_size is None
    )


def trials(landscape: Landscape) -> str:
    return "1 trial" if landscape.trials == 1 else f"{landscape.trials} trials"


def device(machine: Machine) -> str:
    """Kind, name and threads of a machine."""
    return f"{machine.device} ({machine.device_name}, {machine.threads} thread{'s' * (machine.threads != 1)})"


def short(value: float, spread: float | None = None) -> str:
    """A size or duration to about three significant digits, without exponent, with ± spread if given."""
    if value < 0.001:
        return "<0.001" if value else "0"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}" + (
        "" if spread is None else f" ± {spread:,.{digits}f}"
    )
