"""Untrained: initial weights and alphas, as Zero-Cost-PT reads them."""

from __future__ import annotations

from typing import ClassVar

from archselect.benchmarks.optimisers.blank import Blank
from archselect.benchmarks.store.facts import Settings


class Untrained(Blank):
    """Nothing is trained; a selector that tunes a supernet tunes its weights alone."""

    name: ClassVar[str] = "untrained"
    summary: ClassVar[str] = "initial weights and alphas"
    paper: ClassVar[str] = ""
    formulation: ClassVar[int] = 1
    trains: ClassVar[bool] = False

    def settings(self) -> Settings:
        """Return the settings of the start and of tuning.

        Those of training have no effect.
        """
        effective = [
            "activation",
            "alpha_mean",
            "alpha_scale",
            "augment",
            "batch_size",
            "batches",
            "execution",
            "grad_clip",
            "momentum",
            "precision",
            "weight_decay",
        ]
        settings = super().settings()
        return {name: settings[name] for name in settings if name in effective}
