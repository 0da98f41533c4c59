"""The study of a folder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archselect.benchmarks.store.facts import Fact, Id


class Reproduced(Fact):
    """Published numbers to compare a selector with: a paper's table, for one method.

    `space` is the study's space, if the published rows use another name for it.
    """

    paper: str
    table: str
    method: str
    selector: str
    space: str | None = None


class StudyInfo(Fact):
    """The study of a folder.

    `labels` are those of its selectors, in order; `runs` are the ids of all its runs.
    `command` is the user's command, and `source` the TOML text of the study.
    `differences` lists, as text, the settings in which it differs from the study
    `variant_of`. `references` are labels of selectors with which the others are
    compared; without any, they are compared with the best. `notes` are sentences that
    every reader of the accuracies must know, for example that supernets have another
    size than the ground truth's networks.
    """

    schema_version: Literal[1] = 1
    name: str
    title: str
    description: str
    labels: list[str]
    tables: list[str]
    runs: list[Id]
    command: str
    source: str
    reproduces: list[Reproduced] = Field(default_factory=list)
    variant_of: str | None = None
    differences: list[str] = Field(default_factory=list)
    references: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
