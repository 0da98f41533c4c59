"""The tables: rank correlation, accuracy of the selected cell, cost of the search, what the cells are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from archselect.benchmarks.records import Accuracy, Counts, Landscape, Machine, Record, unknown
from archselect.reports.differences import differences_table
from archselect.reports.metrics import LEVELS, correlations
from archselect.reports.operation_scores import operations_table
from archselect.reports.reproduction import reproduction_table
from archselect.reports.results import Group, Known, Results, seed_name, total_seconds
from archselect.reports.stats import (
    LEVEL,
    RESAMPLES,
    Correlation,
    Interval,
    architecture_scale,
    operation_scale,
)
from archselect.reports.table import NONE, Row, Table, make_table

PHASES = ("data", "supernet", "score", "tune", "validate")


_WHERE = ("truth", "dataset", "split", "epochs")
_TAU = (
    *_WHERE,
    *("level", "selector", "tau_b", "tau_b_low", "tau_b_high", "spearman", "spearman_low", "spearman_high"),
    *("seeds", "n", "coefficients", "undefined", "note"),
)
_TAU_SHOWN = (
    "Landscape",
    "Level",
    "Selector",
    "τ-b ↑",
    "95 % interval",
    "ρ ↑",
    "ρ 95 % interval",
    "n",
    "Note",
)
_ACCURACY = (
    *_WHERE,
    *("selector", "source", "surrogate_tau", "seeds", "mean", "std", "best", "worst", "mean_rank", "architectures"),
    *("gap", "every_seed"),
)
_ACCURACY_SHOWN = (
    *("Landscape", "Selector", "Source", "Seeds", "Mean ± std ↑", "Best ↑", "Worst ↑", "Mean rank ↓", "Gap ↓"),
    "Every seed",
)


def tables(results: Results) -> list[Table]:
    """The study's tables, in the study's order. Raises UserError for a table that does not exist."""
    for name in results.info.tables:
        if name not in _TABLES:
            raise unknown("table", name, _TABLES)
    return [_TABLES[name](results) for name in results.info.tables]


def tau_table(results: Results) -> Table:
    """Rank correlation of scores with the truth, per landscape, level and selector."""
    rows = []
    for landscape in results.landscapes:
        found = {g.name: correlations(landscape, g) for g in results.groups if g.accuracies(landscape)}
        for level in LEVELS:
            for name, of_group in found.items():
                if (correlation := of_group[level]) is not None:
                    rows.append(_tau_row(results, landscape, level, name, correlation))
    caption = (
        "Kendall's τ-b and Spearman's ρ between a selector's scores and the accuracies of a truth, the "
        "scores' sign set by their declared direction, so that 1 is perfect and 0 is chance. Operation "
        "level: per edge, the scores at the step that decided the edge against the best accuracy of the "
        "cells with that operation on that edge (best-acc: maximum over cells and trials) or their mean "
        "(avg-acc); mean over edges and rounds, then mean over seeds. Architecture level: architectures "
        f"scored as a whole against their trial-mean accuracy; mean over seeds. Intervals: {100 * LEVEL:.0f} "
        f"% percentile bootstrap of the mean, {RESAMPLES:,} resamples of the supernet seeds."
    )
    used = [s for s in results.landscapes if s.architectures and any(g.accuracies(s) for g in results.groups)]
    notes = [*_directions(results), *(reference(results, s) for s in used if not _plain(s)), *results.status()]
    return make_table(
        "tau",
        "Rank correlation with the truth",
        rows,
        columns=(_TAU, _TAU_SHOWN),
        text=("Landscape", "Level", "Selector", "Note"),
        brief=("Landscape", "Level", "Selector", "τ-b ↑", "95 % interval", "ρ ↑"),
        caption=caption,
        notes=notes,
    )


def accuracy_table(results: Results) -> Table:
    """Accuracy of the selected cells, per landscape and selector."""
    rows = []
    for landscape in results.landscapes:
        for group in results.groups:
            if known := group.known(landscape):
                rows.append(_accuracy_row(results, landscape, group, known))
    used = [s for s in results.landscapes if any(g.accuracies(s) for g in results.groups)]
    caption = (
        "Accuracy in per cent of the selected cell. Source: looked up in a table, predicted by a surrogate (with "
        "its cross-validated Kendall's τ-b), or trained here to the end. One seed's number is the trial "
        "mean of its cell; mean ± std, best, worst and rank are over the seeds of a selector (std: sample "
        "standard deviation; rank: mean of the seeds' ranks, 1 is the best of the space). Gap: optimum of "
        "the space minus the mean of the seeds. Where a note says that a truth holds a part of the space only, rank "
        "and gap are within that part. Seeds are supernet seed/selection seed."
    )
    return make_table(
        "accuracy",
        "Accuracy of the selected cell",
        rows,
        columns=(_ACCURACY, _ACCURACY_SHOWN),
        text=("Landscape", "Selector", "Source", "Every seed"),
        brief=("Landscape", "Selector", "Source", "Seeds", "Mean ± std ↑", "Best ↑", "Mean rank ↓", "Gap ↓"),
        caption=caption,
        notes=[*(reference(results, s) for s in used), *_without_accuracy(results), *results.status()],
    )


def time_table(results: Results) -> Table:
    """Seconds by phase, memory and hardware-free counts, per selector."""
    extra = sorted({phase for r in results.records for phase in r.cost.phases} - set(PHASES))
    machines = sorted({device(m) for r in results.records for m in (r.cost.machine, r.cost.supernet_machine)})
    memories = sorted({r.cost.memory_kind for r in results.records})
    rows = [_time_row(group, [*PHASES, *extra]) for group in results.groups if group.records]
    told = {"Device": len(machines) == 1, "Memory": len(memories) == 1}  # in a note instead
    rows = [Row(row.full, {k: v for k, v in row.shown.items() if not told.get(k)}) for row in rows]
    caption = (
        "Cost of one run, mean over the seeds of a selector. Seconds by phase, with a device synchronise at "
        "each boundary; total: sum of the phases (± sample standard deviation over seeds); warm-up (first "
        "use of the device) is apart. Supernet: training it; all selectors of a seed share it, and it is "
        "counted in full for each selector that needs it. Counts are hardware-free and over all phases: "
        "forward and backward passes, images (once per forward), GFLOP (10⁹ floating-point operations; a "
        f"backward counts as two forwards). {NONE}: the phase was never entered."
    )
    notes = [
        f"All runs and supernets on {machines[0]}."
        if len(machines) == 1
        else f"{len(machines)} kinds of machine, whose times do not compare: {'; '.join(machines)}.",
        f"Memory: {', '.join(memories)}, the highest peak of the seeds.",
    ]
    return make_table(
        "time",
        "Cost of the search",
        rows,
        columns=(tuple(rows[0].full), tuple(rows[0].shown)),
        text=("Selector", "Memory", "Device"),
        brief=("Selector", "Seeds", "Supernet s ↓", "Score s ↓", "Tune s ↓", "Total s ↓", "Forwards ↓"),
        caption=caption,
        notes=[*notes, *results.status()],
    )


def cells_table(results: Results) -> Table:
    """How often each operation is in the selected cells, per selector and cell type."""
    groups = [group for group in results.groups if group.records]
    selected = [record.selected for record in results.records]
    names = list(dict.fromkeys(n for own in selected for cell in own.operations for edge in cell for n in edge))
    rows = [_cells_row(group, c, names) for group in groups for c in range(len(group.records[0].selected.graph))]
    caption = (
        "How many edges of a selected cell carry each operation: mean over the seeds of a selector, in brackets the "
        f"fewest and the most of one seed where they differ. {NONE}: no edge of the space may carry it."
    )
    return make_table(
        "cells",
        "Operations of the selected cells",
        rows,
        columns=(("selector", "cell", "seeds", *names, "every_seed"), ("Selector", "Cell", "Seeds", *names)),
        text=("Selector", "Cell"),
        brief=("Selector", "Cell", "Seeds", *names),
        caption=caption,
        notes=results.status(),
    )


def reference(results: Results, landscape: Landscape) -> str:
    """In words, what the numbers of a landscape are, how good they are, and what they are to be read against."""
    title = results.title(landscape)
    if not landscape.architectures:
        return f"{title} ({landscape.truth}): mean of {_trials(landscape)} of each selected cell; {landscape.origin}."
    noise = "not known" if landscape.noise_std is None else f"{landscape.noise_std:.2f}"
    assert landscape.optimum is not None
    best, these = ("optimum", "the space") if landscape.space_size is None else ("best of these", "these")
    said = (
        f"{title} ({landscape.truth}, {extent(landscape)}, mean of {_trials(landscape)}): "
        f"{best} {landscape.optimum:.2f}, median of {these} "
        f"{median(landscape):.2f}, noise (std between trials, mean over architectures) {noise}."
    )
    return said if _plain(landscape) else f"{said} {quality(landscape)}."


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
        among = "that it was fitted on" + (", whose accuracies are themselves predicted" if behind else "")
    of = f"{landscape.architectures:,} architectures {among}"
    return f"Predicted by a surrogate, {told}; ranks, gaps and oracles are of the {of}"


def median(landscape: Landscape) -> float:
    """The median accuracy of the landscape, which must be of something."""
    return landscape.quantiles[len(landscape.quantiles) // 2]


def short(value: float, spread: float | None = None) -> str:
    """A size or duration to about three significant digits, without exponent, with ± spread if given."""
    if value < 0.001:
        return "<0.001" if value else "0"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}" + ("" if spread is None else f" ± {spread:,.{digits}f}")


_TABLES: dict[str, Callable[[Results], Table]] = {
    "tau": tau_table,
    "accuracy": accuracy_table,
    "differences": differences_table,
    "time": time_table,
    "cells": cells_table,
    "operations": operations_table,
    "reproduction": reproduction_table,
}


def _where(landscape: Landscape) -> dict[str, object]:
    return {key: getattr(landscape, key) for key in _WHERE}


def _tau_row(results: Results, landscape: Landscape, level: str, name: str, found: Correlation) -> Row:
    note = found.left_out
    defined = sum(value is not None for value in found.per_seed)
    if defined < len(found.per_seed):
        note = f"mean of {defined} of {len(found.per_seed)} seeds; {note or 'no edge was decided by scores'}"
    full: dict[str, object] = {
        **_where(landscape),
        "level": level,
        "selector": name,
        "tau_b": found.tau.mean,
        "tau_b_low": found.tau.low,
        "tau_b_high": found.tau.high,
        "spearman": found.rho.mean,
        "spearman_low": found.rho.low,
        "spearman_high": found.rho.high,
        "seeds": len(found.per_seed),
        "n": found.n,
        "coefficients": found.size,
        "undefined": found.undefined.total(),
        "note": note,
    }
    shown = {
        "Landscape": results.title(landscape),
        "Level": level,
        "Selector": name,
        "τ-b ↑": _coefficient(found.tau.mean),
        "95 % interval": _interval(found.tau),
        "ρ ↑": _coefficient(found.rho.mean),
        "ρ 95 % interval": _interval(found.rho),
        "n": found.n,
        "Note": note,
    }
    return Row(full, shown)


def _accuracy_row(results: Results, landscape: Landscape, group: Group, found: list[Known]) -> Row:
    names = [seed_name(known.record.inputs) for known in found]
    means = np.array([known.mean for known in found])
    mean, spread = float(means.mean()), _std(means)
    ranks = [known.rank for known in found if known.rank is not None]
    rank = float(np.mean(ranks)) if ranks else None
    gap = None if landscape.optimum is None else landscape.optimum - mean
    said, tau = source(landscape, found[0].accuracy), found[0].accuracy.surrogate_tau
    full: dict[str, object] = {
        **_where(landscape),
        "selector": group.name,
        "source": said,
        "surrogate_tau": tau,
        "seeds": len(means),
        "mean": mean,
        "std": spread,
        "best": float(means.max()),
        "worst": float(means.min()),
        "mean_rank": rank,
        "architectures": landscape.architectures,
        "gap": gap,
        "every_seed": ";".join(f"{name}={float(value)!r}" for name, value in zip(names, means, strict=True)),
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": group.name,
        "Source": said if tau is None else f"{said}, τ-b {tau:.2f}",
        "Seeds": f"{len(means)}",
        "Mean ± std ↑": f"{mean:.2f} (one seed)" if spread is None else f"{mean:.2f} ± {spread:.2f}",
        "Best ↑": f"{means.max():.2f}",
        "Worst ↑": f"{means.min():.2f}",
        "Mean rank ↓": NONE if rank is None else f"{rank:,.1f} of {landscape.architectures:,}",
        "Gap ↓": NONE if gap is None else f"{gap:.2f}",
        "Every seed": ", ".join(f"{name}: {value:.2f}" for name, value in zip(names, means, strict=True)),
    }
    return Row(full, shown)


def source(landscape: Landscape, accuracy: Accuracy) -> str:
    """How an accuracy came about; one that was looked up may be a prediction all the same."""
    both = (accuracy.source, landscape.provenance)
    return "looked up, itself predicted" if both == ("looked up", "predicted") else accuracy.source


def _plain(landscape: Landscape) -> bool:
    """Whether a landscape is of measured accuracies of a whole space, so that nothing more need be said of it."""
    return not landscape.surrogate and landscape.provenance == "measured" and landscape.space_size is None


def _time_row(group: Group, phases: list[str]) -> Row:
    costs = [record.cost for record in group.records]
    entered = {phase: any(phase in cost.phases for cost in costs) for phase in phases}
    spent = {
        phase: float(np.mean([cost.phases[phase].seconds if phase in cost.phases else 0.0 for cost in costs]))
        for phase in phases
    }
    totals = np.array([total_seconds(record) for record in group.records])
    spread = _std(totals)
    warmup = float(np.mean([cost.warmup for cost in costs]))
    counts = {
        field: float(np.mean([_counted(record, field) for record in group.records])) for field in Counts.model_fields
    }
    peak = max(cost.peak_memory for cost in costs)
    memory_kind = ", ".join(sorted({cost.memory_kind for cost in costs}))
    devices = "; ".join(sorted({device(cost.machine) for cost in costs}))
    full: dict[str, object] = {
        "selector": group.name,
        "seeds": len(costs),
        **{f"{phase}_s": spent[phase] if entered[phase] else None for phase in phases},
        "total_s": float(totals.mean()),
        "total_std_s": spread,
        "warmup_s": warmup,
        "peak_memory_bytes": peak,
        "memory_kind": memory_kind,
        "forwards": counts["forwards"],
        "backwards": counts["backwards"],
        "images": counts["images"],
        "gflop": counts["flops"] / 1e9,
        "device": devices,
    }
    shown = {
        "Selector": group.name,
        "Seeds": f"{len(costs)}",
        **{f"{phase.capitalize()} s ↓": short(spent[phase]) if entered[phase] else NONE for phase in phases},
        "Total s ↓": short(float(totals.mean()), spread),
        "Warm-up s": short(warmup),
        "Peak MiB ↓": f"{peak / 2**20:,.0f}",
        "Memory": memory_kind,
        "Forwards ↓": _whole(counts["forwards"]),
        "Backwards ↓": _whole(counts["backwards"]),
        "Images ↓": _whole(counts["images"]),
        "GFLOP ↓": short(counts["flops"] / 1e9),
        "Device": devices,
    }
    return Row(full, shown)


def _cells_row(group: Group, c: int, names: list[str]) -> Row:
    allowed = {name for edge in group.records[0].selected.operations[c] for name in edge}
    graphs = [record.selected.graph[c] for record in group.records]
    counts = [Counter(operation for _, _, operation in graph.edges) for graph in graphs]
    found = {name: np.array([count[name] for count in counts]) for name in names if name in allowed}
    who: dict[str, object] = {"selector": group.name, "cell": graphs[0].name, "seeds": len(graphs)}
    every = (
        f"{seed_name(record.inputs)}=" + ",".join(f"{name}:{count[name]}" for name in found)
        for record, count in zip(group.records, counts, strict=True)
    )
    full = {name: float(of.mean()) for name, of in found.items()}
    shown = {
        name: f"{of.mean():.1f}" + (f" ({of.min()}–{of.max()})" if of.min() < of.max() else "")
        for name, of in found.items()
    }
    return Row(
        {**who, **dict.fromkeys(names), **full, "every_seed": ";".join(every)},
        {
            "Selector": group.name,
            "Cell": graphs[0].name,
            "Seeds": f"{len(graphs)}",
            **dict.fromkeys(names, NONE),
            **shown,
        },
    )


def device(machine: Machine) -> str:
    """Kind, name and threads of a machine."""
    return f"{machine.device} ({machine.device_name}, {machine.threads} thread{'s' * (machine.threads != 1)})"


def _counted(record: Record, field: str) -> int:
    return sum(getattr(counts, field) for counts in record.cost.counts.values())


def _directions(results: Results) -> list[str]:
    """One sentence for each level: what was correlated, which way is better, and who gives no such scores."""
    sentences = []
    for level, scale_of in (("Operation", operation_scale), ("Architecture", architecture_scale)):
        scales = {group.name: scale_of(group.records) for group in results.groups if group.records}
        scored = "; ".join(
            f"{name}, {scale.name} ({scale.better} is better)" for name, scale in scales.items() if scale
        )
        silent = ", ".join(name for name, scale in scales.items() if scale is None)
        sentences.append(
            f"{level} scores: {scored or 'none'}."
            + (f" Without such scores, so without rows: {silent}." if silent else "")
        )
    return sentences


def _without_accuracy(results: Results) -> list[str]:
    """One sentence for each group of which a landscape does not know, or was not asked about, some runs."""
    sentences = []
    for landscape in results.landscapes:
        for group in results.groups:
            asked, known = group.accuracies(landscape), group.known(landscape)
            runs = f"of {len(group.records)} runs of {group.name}"
            if 0 < len(asked) < len(group.records):
                sentences.append(
                    f"{results.title(landscape)} says nothing of {len(group.records) - len(asked)} {runs}."
                )
            if len(known) < len(asked):
                sentences.append(
                    f"{results.title(landscape)} ({landscape.truth}): what {len(asked) - len(known)} {runs} selected "
                    f"is not in the table, which has {extent(landscape)}; these runs are in no mean of it."
                )
    return sentences


def _trials(landscape: Landscape) -> str:
    return "1 trial" if landscape.trials == 1 else f"{landscape.trials} trials"


def _std(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _coefficient(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _interval(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return NONE if interval.mean is None else "one seed"
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


def _whole(value: float) -> str:
    return f"{value:,.0f}"
