"""Which study a folder is of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archselect.benchmarks.store.facts import (
    Fact,
    Id,
)


class Reproduced(Fact):
    """Which published numbers a selector's are to be held against: all of a paper's table for a method.

    `space` is the study's, where it is named otherwise than in the published rows.
    """

    paper: str
    table: str
    method: str
    selector: str
    space: str | None = None


class StudyInfo(Fact):
    """What the folder's study is: its name and words, its selectors' labels in order, its tables and all its runs.

    `command` is what was typed, `source` the TOML text of the study. `differences` are
    the settings, in words, in which it is not the study `variant_of`. `references` are
    labels of selectors that the others are compared with; without any, that is the
    best.
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
