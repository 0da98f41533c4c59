"""What docs/results/README.md says of the shipped records is what they hold."""

import re
from collections import Counter, defaultdict
from statistics import fmean

import pandas as pd
import pytest
from scipy.stats import binomtest, sem
from scipy.stats import t as student_t

from archselect.benchmarks.scoring.populations import ALIASES
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import Record
from archselect.reports.published.numbers import published_numbers
from archselect.reports.results.metrics import correlations
from archselect.reports.results.results import load
from archselect.reports.results.shared_weights import sharing_contrasts
from archselect.reports.statistics.margins import margin_of_random_cells
from archselect.reports.tables.operations import operations_table
from archselect.reports.tables.reproduction import reproduction_table
from archselect.reports.tables.tau import tau_table
from archselect.reports.wiring.tables import seeds_table, wiring_table


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "results" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runs(root):
    """Records of the collapse study by (space, selector), in order of their seeds."""
    found = defaultdict(list)
    for record in Folder(root / "docs" / "results" / "collapse-s2-s4-cpu").read_all(
        Record
    ):
        found[record.inputs.space, record.inputs.selector.label].append(record)
    return {
        key: sorted(own, key=lambda r: r.inputs.supernet_seed)
        for key, own in found.items()
    }


def span(values, mean, digits):
    """The mean, and the lowest and highest in brackets."""
    return (
        f"{fmean(values):.{mean}f} ",
        f"({min(values):.{digits}f}–{max(values):.{digits}f})",
    )


@pytest.mark.parametrize("space", ["s4", "s2"])
@pytest.mark.parametrize("selector", ["magnitude", "darts-pt", "random"])
def test_the_collapse_table(page, runs, space, selector):
    records, bad = runs[space, selector], {"s4": "noise", "s2": "skip_connect"}[space]
    assert len(records) == 4
    cells = []
    for c in (0, 1):
        counts = [
            Counter(o for *_, o in record.selected.graph[c].edges)[bad]
            for record in records
        ]
        mean, reach = span(counts, 1, 0)
        cells.append(f"{mean}{bad.partition('_')[0]} {reach}")
    accuracy = "".join(span([record.accuracies[0].mean for record in records], 2, 2))
    name = {"darts-pt": "DARTS-PT"}.get(selector, selector)
    assert (
        f"| {space.upper()} | {name} | {cells[0]} | {cells[1]} | {accuracy} |" in page
    )


def test_the_difference_on_s4(page, runs):
    better, worse = (
        [record.accuracies[0].mean for record in runs["s4", name]]
        for name in ("darts-pt", "magnitude")
    )
    differences = [a - b for a, b in zip(better, worse, strict=True)]
    assert all(difference > 0 for difference in differences)
    low, high = student_t.interval(0.95, 3, fmean(differences), sem(differences))
    words = " ".join(page.split())
    assert (
        f"{', '.join(f'{d:.2f}' for d in differences[:3])} and {differences[3]:.2f} points"
        in words
    )
    assert (
        f"mean of {fmean(differences):.1f} has a 95 % interval by Student's t of [{low:.1f}, {high:.1f}]"
        in words
    )


def test_the_search_on_the_darts_space(page, root):
    results = load(root / "docs" / "results" / "zero-cost-pt-darts-cpu")
    (record,) = results.records
    counts = Counter(o for cell in record.selected.graph for *_, o in cell.edges)
    assert counts == {"sep_conv_5x5": 10, "sep_conv_3x3": 6}
    words = " ".join(page.split())
    assert "ten 5x5 and six 3x3" in words
    assert f"{sum(c.forwards for c in record.cost.counts.values()):,} forwards" in words
    assert (
        f"{record.cost.counts['score'].flops / 1e12:.0f} TFLOP of them in the first stage"
        in words
    )
    predicted, trained = (accuracy.mean for accuracy in record.accuracies)
    assert (
        f"predicts {predicted:.2f} %" in words and f"reaches {trained:.2f} %" in words
    )


@pytest.mark.parametrize("name", ["collapse-s2-s4-cpu", "zero-cost-pt-darts-cpu"])
def test_a_variant_says_in_how_many_settings_it_differs(page, root, name):
    info = load(root / "docs" / "results" / name).info
    assert info.variant_of and info.differences
    if name.startswith("collapse"):
        assert (
            f"the {len(info.differences)} settings in which it is not Table 3's"
            in " ".join(page.split())
        )


def cifar10(results):
    return next(
        landscape for landscape in results.landscapes if landscape.dataset == "cifar10"
    )


def interval(values):
    low, high = student_t.interval(0.95, len(values) - 1, fmean(values), sem(values))
    return f"{fmean(values):.2f} [{low:.2f}, {high:.2f}]"


def luck(landscape, cells, before="", between="to"):
    """What the mean of some random cells reaches in 95 % of the cases."""
    margin = margin_of_random_cells(landscape.quantiles, cells)
    low, high = landscape.mean - margin.below, landscape.mean + margin.above
    return f"{before} {low:.2f} {between} {high:.2f} %".strip()


@pytest.mark.parametrize(
    ("folder", "seeds"),
    [
        ("zero-cost-pt-nb201", 8),
        ("zero-cost-pt-nb201-one-search", 4),
        ("zero-cost-pt-nb201-cpu-cifar100", 4),
    ],
)
def test_zero_cost_pt_on_nb201(page, root, folder, seeds):
    results = load(root / "docs" / "results" / folder)
    words = " ".join(page.split())
    groups = {group.name: group for group in results.groups}
    for landscape in results.landscapes:
        ours = groups["zero-cost-pt"].known(landscape).means
        assert len(ours) == seeds
        name = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}.get(
            landscape.dataset, landscape.dataset
        )
        assert f"| {name} | {interval(ours)} | {landscape.mean:.2f} |" in page
        difference = interval([value - landscape.mean for value in ours]).replace(
            " [", " points ["
        )
        if folder == "zero-cost-pt-nb201" and name == "CIFAR-10":
            assert f"our eight go from {min(ours):.2f} to {max(ours):.2f}" in words
            assert f"they are {difference} above a random cell" in words
            assert landscape.optimum == pytest.approx(max(ours))
            assert (
                f"the mean of eight random cells reaches in 95 % of the cases ({luck(landscape, 8)})"
                in words
            )
        if folder == "zero-cost-pt-nb201-cpu-cifar100" and name == "CIFAR-100":
            assert f"On CIFAR-100 they are {difference} above a random cell" in words
            assert (
                f"the mean of four reaches in 95 % of the cases ({luck(landscape, 4)})"
                in words
            )


@pytest.mark.parametrize(
    "folder", ["zero-cost-pt-nb201", "zero-cost-pt-nb201-cpu-cifar100"]
)
def test_what_is_held_against_published_numbers_of_zero_cost_pt(root, folder):
    """The released runs are of another protocol; random cells are held against means of as many cells."""
    rows = reproduction_table(load(root / "docs" / "results" / folder)).frame
    (released,) = rows[rows.table == "released runs"].itertuples()
    assert released.verdict == "not comparable"
    assert "order random instead of order" in released.reason
    random = rows[rows.method == "random cell"]
    assert list(random.verdict) == ["not shown to differ"] * 3
    assert random.differs_below.notna().all() and random.differs_above.notna().all()


def test_the_released_runs_of_zero_cost_pt_by_their_own_protocol(page, root):
    """The one row of that paper that compares like with like."""
    results = load(root / "docs" / "results" / "zero-cost-pt-nb201-one-search")
    rows = reproduction_table(results).frame
    (row,) = rows[rows.table == "released runs"].itertuples()
    assert row.verdict == "not shown to differ"
    table = reproduction_table(results)
    assert {"Published", "Measured", "Verdict"} <= set(table.narrow().shown.columns)
    notes = table.notes
    assert any(note.startswith("Our search used 5,000 images") for note in notes)
    words = " ".join(page.split())
    assert f"They have a mean of {row.published:.2f} (93.34 to 94.36)" in words
    lower = f"{-row.difference:.2f} points [{-row.difference_high:.2f}, {-row.difference_low:.2f}]"
    assert f"Ours is lower by {lower}" in words
    assert f"A mean below {row.differs_below:.2f} would have been called" in words
    landscape = cifar10(results)
    groups = {group.name: group for group in results.groups}
    ours = groups["zero-cost-pt"].known(landscape).means
    above = interval([value - landscape.mean for value in ours])
    assert f"these cells are {above.replace(' [', ' points [')} above a random" in words
    assert f"reaches in 95 % of the cases ({luck(landscape, 4)})" in words


@pytest.mark.parametrize(
    "folder", ["darts-pt-nb201-cpu", "operation-scores-darts-nb201-cpu"]
)
def test_a_study_in_small_is_by_another_protocol(root, folder):
    rows = reproduction_table(load(root / "docs" / "results" / folder)).frame
    assert set(rows.verdict) == {"not comparable"}


def test_the_released_oracle_by_iteration(root):
    """Perturbation by nwot, with the oracle that the published correlations are of."""
    rows = reproduction_table(
        load(root / "docs" / "results" / "operation-scores-nb201")
    ).frame
    found = rows[rows.table == "operation scores by iteration"]
    assert list(found.published) == [0.758, 0.705, 0.725, 0.617, 0.737, 0.700]
    assert [f"{value:.3f}" for value in found.measured] == [
        "0.758",
        "0.705",
        "0.675",
        "0.558",
        "0.750",
        "0.725",
    ]


def test_what_zero_cost_pts_scores_say(page, root):
    words = " ".join(page.split())
    tau = tau_table(load(root / "docs" / "results" / "zero-cost-pt-nb201")).frame
    own = (
        tau[(tau.dataset == "cifar10") & (tau.selector == "zero-cost-pt")]
        .set_index("level")
        .tau_b
    )
    assert f"τ-b {own['operation, best-acc']:.3f} with the best accuracy" in words
    assert f"and {own['operation, avg-acc']:.3f} with their mean" in words
    assert f"agree with accuracy by {own['architecture']:.3f}" in words


def test_collapse_and_recovery_on_nb201(page, root):
    results = load(root / "docs" / "results" / "darts-pt-nb201-cpu")
    words, landscape = " ".join(page.split()), cifar10(results)
    assert (
        f"the {len(results.info.differences)} settings in which it is not the paper's study"
        in words
    )
    means, within = {}, []
    rows = {
        "magnitude": "DARTS, magnitude",
        "darts-pt (darts)": "DARTS, DARTS-PT",
        "darts-pt (blank)": "blank, DARTS-PT",
        "random": "random cells",
    }
    for group in results.groups:
        runs = defaultdict(list)
        known = group.known(landscape)
        for seed, mean in zip(known.seeds, known.means, strict=True):
            runs[seed].append(mean)
        assert [len(own) for own in runs.values()] == [2] * 4
        within += (
            [max(own) - min(own) for own in runs.values()]
            if "darts-pt" in group.name
            else []
        )
        means[group.name] = [fmean(own) for _, own in sorted(runs.items())]
        counts = [
            Counter(o for *_, o in r.selected.graph[0].edges)["skip_connect"]
            for r in group.records
        ]
        cells = " | ".join(f"{mean:.2f}" for mean in means[group.name])
        skips = "".join(span(counts, 1, 0))
        assert (
            f"| {rows[group.name]} | {skips} | {cells} | {interval(means[group.name])} |"
            in page
        )

    def differences(a, b):
        return [x - y for x, y in zip(means[a], means[b], strict=True)]

    gained = differences("darts-pt (darts)", "magnitude")
    assert (
        f"by {', '.join(f'{d:.2f}' for d in gained[:3])} and {gained[3]:.2f} points"
        in words
    )
    assert f"mean difference, {interval(gained)}, is" in words
    low, high = (
        interval([value - landscape.mean for value in means[f"darts-pt ({kind})"]])
        for kind in ("darts", "blank")
    )
    shift, bounds = high.split(" ", 1)
    assert f"(by {low})" in words and f"it is {shift} points above {bounds}" in words
    assert f"exact mean of a random cell is {landscape.mean:.2f}" in words
    assert (
        f"the mean of four random cells is {luck(landscape, 4, 'between', 'and')}"
        in words
    )
    assert f"by up to {max(within):.2f} points" in words


@pytest.mark.parametrize(
    "name", ["operation-scores-nb201", "operation-scores-darts-nb201-cpu"]
)
def test_the_operation_scores(page, root, name):
    results = load(root / "docs" / "results" / name)
    assert not results.missing
    operations = operations_table(results).frame
    first = operations[operations.iteration == 0].set_index("selector")
    rows = reproduction_table(results).frame
    whole = (
        rows[rows.table == "operation scores, mean over 6 edges"]
        .set_index(["method", "metric"])
        .published
    )
    for scorer, row in first.iterrows():
        ours = f"{row['tau_vs_best-acc']:.3f}, {row['tau_vs_avg-acc']:.3f}"
        printed = [
            whole.get((scorer, f"kendall_vs_{oracle}_acc"))
            for oracle in ("best", "avg")
        ]
        said = ", ".join(
            "not published" if value is None else f"{value:.3f}"
            for value in dict.fromkeys(printed)
        )
        assert f"| {scorer} | {said} | {ours} |" in page
    if name == "operation-scores-nb201":
        gradients = ("snip", "grad_norm", "grasp", "fisher", "plain", "epe_nas")
        own = first.loc[
            [
                f"{change}_{proxy}"
                for change in ("zc_pt", "disc_zc")
                for proxy in gradients
            ]
        ]
        taus = own[["tau_vs_best-acc", "tau_vs_avg-acc"]]
        assert f"({taus.min().min():.3f} to {taus.max().max():.3f})" in page
        for oracle, better in (("best", "nwot"), ("avg", "params")):
            both = {
                name: first.loc[f"zc_pt_{name}", f"tau_vs_{oracle}-acc"]
                for name in ("params", "nwot")
            }
            assert max(both, key=both.get) == better
            assert f"({both['params']:.3f} to {both['nwot']:.3f})" in page
        devices = Counter(record.cost.machine.device for record in results.records)
        assert f"{devices['cuda']} of the {devices.total()} runs" in page
        by_iteration = rows[rows.table == "operation scores by iteration"]
        assert list(by_iteration.verdict) == ["not shown to differ"] * 6


def test_the_proxies_of_725_cells(root):
    """docs/proxies.md has the table's numbers, and the published scores' correlations are the published ones."""
    table = pd.read_csv(
        root / "docs" / "results" / "proxies-nb201-725" / "report" / "correlation.csv"
    ).set_index("proxy")
    page = (root / "docs" / "proxies.md").read_text(encoding="utf-8")
    rows = {
        row.method: row.value
        for row in published_numbers()
        if row.metric == "spearman_vs_test_acc"
    }
    assert len(rows) == 12
    for method, value in rows.items():
        assert (
            f"{table.loc[ALIASES.get(method, method), 'published_spearman']:.3f}"
            == f"{value:.3f}"
        )
    for name, row in table.iterrows():
        theirs = (
            "not in the file"
            if pd.isna(row.published_spearman)
            else f"{row.published_spearman:.3f}"
        )
        with_theirs = (
            "not in the file"
            if pd.isna(row.spearman_published)
            else f"{row.spearman_published:.3f}"
        )
        ours = f"{row.spearman:.3f} [{row.spearman_low:.3f}, {row.spearman_high:.3f}]"
        assert f"| `{name}` | {theirs} | {ours} | {with_theirs} |" in page


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("proxies-nb201-recent", ""),
        ("proxies-nb201-swap", ""),
        ("proxies-nb201-swap-small", ", 4 channels, 1 cell per stage"),
    ],
)
def test_the_tables_of_recent_proxies(page, root, name, size):
    folder = root / "docs" / "results" / name / "report"
    table = pd.read_csv(folder / "correlation.csv").set_index("proxy")
    proxies = (root / "docs" / "proxies.md").read_text(encoding="utf-8")
    section = page[page.index(f"## {name}\n") :].split("\n## ")[0]
    for proxy, row in table.iterrows():
        tau = f"{row.tau_b:.3f} [{row.tau_b_low:.3f}, {row.tau_b_high:.3f}]"
        rho = f"{row.spearman:.3f} [{row.spearman_low:.3f}, {row.spearman_high:.3f}]"
        assert f"| `{proxy}` | {tau} | {rho} |" in section
        assert f"| `{proxy}`{size} | {tau} | {rho} |" in proxies


def test_what_is_said_of_recent_proxies(root):
    folder = root / "docs" / "results" / "proxies-nb201-recent" / "report"
    table = pd.read_csv(folder / "correlation.csv").set_index("proxy")
    proxies = (root / "docs" / "proxies.md").read_text(encoding="utf-8")
    taus = table.tau_b
    assert set(taus.nlargest(2).index) == {"meco", "meco_as_released"}
    assert taus["params"] < taus["az_nas"] < taus["meco_as_released"]
    members = [name for name in table.index if name.startswith("az_")] + ["flops"]
    assert taus[members].idxmax() == "az_nas"
    assert set(table.index[table.undefined > 0]) == {"zico", "nwot"}
    assert f"{table.spearman['nwot']:.3f} here" in proxies


def test_the_proxies_of_all_classes(page, root):
    folder = root / "docs" / "results" / "proxies-nb201-all" / "report"
    table = pd.read_csv(folder / "correlation.csv").set_index("proxy")
    assert list(table.index) == ["nwot", "synflow", "params", "flops"] and set(
        table.n
    ) <= {6461, 6466}
    for name, row in table.iterrows():
        tau = f"{row.tau_b:.3f} [{row.tau_b_low:.3f}, {row.tau_b_high:.3f}]"
        assert (
            f"| `{name}` | {tau} | {row.spearman:.3f} | {row.tau_b_best_tenth:.3f} |"
            in page
        )
    (ceiling,) = re.findall(
        r"between its single trials is (\d\.\d+)",
        (folder / "correlation.md").read_text("utf-8"),
    )
    assert f"single trials of the truth) is {ceiling}" in page


@pytest.mark.parametrize(
    ("name", "size"), [("proxies-nb201-top", 647), ("proxies-nb201-cifar100", 200)]
)
def test_the_proxies_of_other_populations(page, root, name, size):
    folder = root / "docs" / "results" / name / "report"
    table = pd.read_csv(folder / "correlation.csv").set_index("proxy")
    assert len(table) == 13 and table.n.max() == size
    section = page[page.index(f"## {name}\n") :].split("\n## ")[0]
    for proxy, row in table.iterrows():
        tau = f"{row.tau_b:.3f} [{row.tau_b_low:.3f}, {row.tau_b_high:.3f}]"
        assert f"| `{proxy}` | {tau} | {row.spearman:.3f} |" in section
    (ceiling,) = re.findall(
        r"between its single trials is (\d\.\d+)",
        (folder / "correlation.md").read_text("utf-8"),
    )
    assert ceiling in section
    ranked = list(table.tau_b.sort_values(ascending=False).index)
    if name == "proxies-nb201-top":
        assert ranked[:2] == ["zen", "synflow"]
        assert set(table.index[table.tau_b_high < -0.05]) == {
            "snip",
            "grad_norm",
            "grasp",
            "fisher",
        }
    else:
        assert set(ranked[:5]) == {"nwot", "params", "flops", "jacob_cov", "synflow"}
        assert list(table.index[table.tau_b_high < 0]) == ["plain"]
        assert set(table.index[table.undefined == 2]) == {
            "jacob_cov",
            "epe_nas",
            "zen",
            "nwot",
            "synflow",
        }


def test_the_batch_norm_mode_of_the_operation_scores(page, root):
    """Beside the scores with running statistics; and the sentence that none reaches what leads there."""

    def first(name):
        operations = operations_table(load(root / "docs" / "results" / name)).frame
        return operations[operations.iteration == 0].set_index("selector")[
            ["tau_vs_best-acc", "tau_vs_avg-acc"]
        ]

    running, batch = (
        first("operation-scores-nb201"),
        first("operation-scores-nb201-batch"),
    )
    assert len(batch) == 10
    for scorer in batch.index:
        cells = (
            ", ".join(f"{value:.3f}" for value in own.loc[scorer])
            for own in (running, batch)
        )
        assert f"| {scorer} | {' | '.join(cells)} |" in page
    leaders = running.loc[["zc_pt_nwot", "zc_pt_synflow", "zc_pt_zen", "zc_pt_params"]]
    assert (batch.max() < leaders.min()).all()


@pytest.fixture(scope="module")
def wiring(root):
    """The study of wiring evolution: its verdicts, and its seeds' numbers."""
    results = load(root / "docs" / "results" / "wiring-evolution-cpu")
    return wiring_table(results).frame, seeds_table(results).frame


@pytest.mark.parametrize(
    ("claim", "optimiser", "data", "words"),
    [
        ("GROWING", "dsnas", "cifar10_subset@8", "DSNAS, CIFAR-10"),
        ("WIDTH", "dsnas", "cifar10_subset@8", "DSNAS, CIFAR-10"),
        (
            "NO EDGES",
            "darts bi-level",
            "cifar10_subset@8",
            "DARTS at two levels, CIFAR-10",
        ),
        (
            "NO EDGES",
            "darts bi-level",
            "digits",
            "DARTS at two levels, digits (negative control)",
        ),
        (
            "GROWING",
            "darts single-level",
            "cifar10_subset@8",
            "DARTS at one level, CIFAR-10",
        ),
        ("GROWING", "darts single-level", "digits", "DARTS at one level, digits"),
    ],
)
def test_the_verdicts_on_wiring(page, wiring, claim, optimiser, data, words):
    verdicts, _ = wiring
    (row,) = verdicts[
        (verdicts.claim == claim)
        & (verdicts.optimiser == optimiser)
        & (verdicts.data == data)
    ].itertuples()
    assert (
        f"| {claim} | {words} | {row.meeting} of {row.judged} | {row.verdict} |" in page
    )


def test_what_is_said_of_growing_and_width(page, wiring):
    words = " ".join(page.split())
    _, seeds = wiring
    dsnas = seeds[seeds.optimiser == "dsnas"].set_index("seed")
    assert (
        dsnas.edges_first.between(3, 5).all()
        and (dsnas.edges_fewest <= 2).all()
        and (dsnas.fewest_epoch <= 10).all()
    )
    first, last = dsnas.gap_before_fewest, dsnas.gap_at_end
    assert f"({first.min():.2f} to {first.max():.2f} nats)" in words
    assert f"(−{-last.max():.2f} to −{-last.min():.2f})" in words
    met = int(dsnas.growing_met.sum())
    low, high = binomtest(met, len(dsnas)).proportion_ci()
    assert met == 8 and f"interval is {100 * low:.0f} to {100 * high:.0f} %" in words
    gone, back = (
        dsnas[dsnas.width_met.astype(bool)],
        dsnas[~dsnas.width_met.astype(bool)],
    )
    assert f"(q at most {gone.q_between.max():.2f})" in words
    assert (
        f"mean of {gone.q_inputs.min():.2f} to {gone.q_inputs.max():.2f}; with two seeds (3 and 7)"
        in words
    )
    assert (
        list(back.index) == [3, 7]
        and f"to {back.q_between[3]:.2f} and {back.q_between[7]:.2f}" in words
    )
    dearer = dsnas.width_dearer_between
    assert (
        dearer > 0
    ).all() and f"by {dearer.min():.3f} to {dearer.max():.3f}" in words


def test_what_is_said_of_no_edges(page, wiring):
    words = " ".join(page.split())
    _, seeds = wiring
    two, one = (
        seeds[seeds.optimiser == f"darts {level}-level"] for level in ("bi", "single")
    )
    cifar, digits = (two[two.data == name] for name in ("cifar10_subset@8", "digits"))
    assert sorted(cifar.edges_last) == [0] + [1] * 9 and (one.edges_last == 5).all()
    assert (cifar.gap_at_end > 0).all() and (cifar.gap_at_end_train < 0).all()
    assert (
        (digits.gap_at_end < 0).all()
        and (digits.gap_at_end_train < 0).all()
        and digits.edges_last.isin([4, 5]).all()
    )
    kept = one[one.data == "cifar10_subset@8"]
    assert (kept.q_between > kept.q_inputs).all()
    assert (
        f"({kept.q_between.mean():.2f} on CIFAR-10, where those from the inputs have {kept.q_inputs.mean():.2f})"
        in words
    )


def test_what_is_said_of_the_wrong_sign(page, root):
    words = " ".join(page.split())
    results = load(root / "docs" / "results" / "wiring-wrong-sign")
    verdicts = wiring_table(results).frame.set_index("claim").meeting
    assert (
        f"GROWING is met by {verdicts.GROWING} of 5 seeds and WIDTH by {verdicts.WIDTH} of 5"
        in words
    )
    assert (verdicts.GROWING, verdicts.WIDTH) == (
        0,
        0,
    ) and f"PRUNING by {verdicts.PRUNING} of 5" in words
    last = [w.cells[0].q[-1] for w in results.wirings.values() if w.learns]
    between = [float(q[4]) for q in last]
    assert len(last) == 5 and f"q {min(between):.2f} to {max(between):.2f}" in words
    assert max(float(q[:4].max()) for q in last) < 0.055


@pytest.fixture(scope="module")
def skips(root):
    """The cells of study skip-costs-cpu by space, type and seed: names of operations, probabilities, costs."""
    found = {}
    for wiring in load(root / "docs" / "results" / "skip-costs-cpu").wirings.values():
        info = wiring.trace.info
        for cell in wiring.cells:
            found[info.space, cell.cell.name, info.seed] = (
                cell.cell.operations[0],
                cell.probabilities,
                cell.trace.cost_means.astype(float),
            )
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_costs_of_skips(root, skips, seed):
    note = (root / "docs" / "wiring.md").read_text(encoding="utf-8")
    names, p, costs = skips["nb201", "cell", seed]
    skip = names.index("skip_connect")
    early, likely = costs[:5].mean((0, 1)), p[:, :, skip].mean(1)
    half = int((likely >= (likely[0] + likely[-1]) / 2).argmax())
    place = 1 + int((early < early[skip]).sum())
    row = (
        f"| {seed} | −{-early[skip]:.4f} | {place} | {likely[0]:.3f} | {likely[5]:.3f} "
    )
    assert row + f"| {likely[-1]:.3f} | {half} |" in note and half > 25


def test_what_is_said_of_s2(root, skips):
    words = " ".join((root / "docs" / "wiring.md").read_text(encoding="utf-8").split())
    normal, reduction = (
        [skips["s2", name, seed] for seed in range(4)] for name in ("normal", "reduce")
    )
    early = [
        [costs[:5].mean((0, 1)) for _, _, costs in own] for own in (normal, reduction)
    ]
    assert normal[0][0] == ["skip_connect", "sep_conv_3x3"] and all(
        skip > conv for skip, conv in early[0]
    )
    after, last = ([p[epoch, :, 0].mean() for _, p, _ in normal] for epoch in (5, -1))
    assert (
        f"from 0.5 to between {min(after):.2f} and {max(after):.2f} in five epochs"
        in words
    )
    assert f"({min(last):.2f} to {max(last):.2f} at the end)" in words
    assert all(abs(skip - conv) < 0.003 for skip, conv in early[1])


@pytest.fixture(scope="module")
def prime(root):
    return load(root / "docs" / "results" / "darts-prime-cpu")


def prime_claims(root):
    """Return the claims' rows of the shipped report."""
    report = root / "docs" / "results" / "darts-prime-cpu" / "report"
    return pd.read_csv(report / "alphas-claims.csv")


def test_the_claims_of_darts_prime(page, root):
    rows = prime_claims(root)
    section = page.partition("## darts-prime-cpu")[2].partition("\n## ")[0]
    paper = ["smaller_cells", "smaller_spread", "informed_not_worse"]
    for row in rows[rows.claim.isin(paper)].itertuples():
        is_count = row.unit == "parameters"
        numbers = [row.difference, row.low, row.high]
        texts = [f"{value:,.0f}" if is_count else f"{value:.2f}" for value in numbers]
        reader = {"darts-pt": "DARTS-PT"}.get(row.selector, row.selector)
        wanted = f"| {reader} | {texts[0]} [{texts[1]}, {texts[2]}] | {row.verdict} |"
        assert wanted in section


def test_what_is_said_of_the_gap_between_selectors(page, prime):
    means = defaultdict(dict)
    cells = defaultdict(dict)
    for record in prime.records:
        name = record.inputs.selector.name
        supernet = record.inputs.selector.label.partition("(")[2].rstrip(")")
        seed = record.inputs.supernet_seed
        cells[supernet, seed][name] = record.selected.architecture
        accuracy = record.accuracies[0].mean
        means[supernet].setdefault(name, []).append(accuracy)
    gaps = {
        supernet: fmean(by_name["darts-pt"]) - fmean(by_name["magnitude"])
        for supernet, by_name in means.items()
    }
    softmax = [gap for supernet, gap in gaps.items() if "softmax" in supernet]
    crb = [gap for supernet, gap in gaps.items() if "crb" in supernet]
    words = " ".join(page.split())
    assert f"at most {max(crb):.1f} points below DARTS-PT's on digits" in words
    assert f"are {min(softmax):.1f} to {max(softmax):.1f} points below" in words
    same = {key for key, by_name in cells.items() if len(set(by_name.values())) == 1}
    assert {("crb every prox", seed) for seed in range(4)} <= same
    assert not any("softmax" in supernet for supernet, _ in same)


LATENCY = "docs/results/latency-nb201-cpu/report/pareto.csv"
DEVICES = ("1080ti_256", "eyeriss", "pixel2")


@pytest.mark.parametrize("device", DEVICES)
def test_the_table_of_latencies(page, root, device):
    rows = pd.read_csv(root / LATENCY)
    rows = rows[rows.cost == device].set_index("selector")
    for weight in ("0", "0.03", "0.1", "0.3", "1"):
        label = weight if weight == "0" else f"{device} {weight}"
        row = rows.loc[f"magnitude ({label})"]
        verdict = row.claim if isinstance(row.claim, str) else "the reference"
        accuracy = f"{row.accuracy:.2f} ± {row.accuracy_std:.2f}"
        latency = f"{row.cost_mean:.2f} ± {row.cost_std:.2f}"
        assert f"| {device} | {weight} | {accuracy} | {latency} | {verdict} |" in page


def test_darts_pt_does_not_see_the_penalty(page, root):
    rows = pd.read_csv(root / LATENCY)
    words = " ".join(page.split())
    accuracies = []
    for device in DEVICES:
        of_device = rows[rows.cost == device].set_index("selector")
        penalised = of_device.loc[f"darts-pt ({device} 0.1)"]
        plain = of_device.loc["darts-pt (0)"]
        accuracies += [penalised.accuracy, plain.accuracy]
        unit = " ms" if device == DEVICES[0] else ""
        numbers = f"{penalised.cost_mean:.2f} against {plain.cost_mean:.2f}{unit}"
        assert f"{numbers} on {device}" in words
        assert penalised.cost_mean > 0.95 * plain.cost_mean
    assert f"({min(accuracies):.1f} to {max(accuracies):.1f} %)" in words


SHARINGS = ("no sharing", "free sharing", "homogeneous sharing")


@pytest.fixture(scope="module")
def shared_weights(root):
    return load(root / "docs" / "results" / "graph-sharing-digits")


@pytest.mark.parametrize("selector", ["random-search", "conservative"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_shared_weights_are_worth(page, shared_weights, sharing, selector):
    (landscape,) = [one for one in shared_weights.landscapes if one.dataset == sharing]
    (group,) = [
        one
        for one in shared_weights.groups
        if one.label == selector and one.judged(landscape).records
    ]
    tau = correlations(landscape, group)["architecture"].tau
    means = [accuracy.mean for accuracy in group.judged(landscape).accuracies]
    rewards = [
        max(record.selected.architecture_scores.column("value").tolist())
        for record in group.records
    ]
    wanted = (
        f"| {selector} | {sharing} | {tau.mean:.3f} [{tau.low:.3f}, {tau.high:.3f}] | "
        f"{fmean(rewards):.2f} | {fmean(means):.2f} |"
    )
    assert wanted in page


def test_the_verdict_on_shared_weights(page, shared_weights):
    (contrast,) = sharing_contrasts(shared_weights)
    assert contrast.free.label == "random-search"
    difference = contrast.difference
    words = " ".join(page.split())
    numbers = f"{difference.mean:.3f} [{difference.low:.3f}, {difference.high:.3f}]"
    assert f"τ-b differs by {numbers}: **{contrast.verdict}**" in words
