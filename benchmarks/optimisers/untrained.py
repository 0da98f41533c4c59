"""Untrained: initial weights and alphas, as Zero-Cost-PT uses them."""

from __future__ import annotations

from typing import ClassVar

from archselect.benchmarks.optimisers.blank import Blank
from archselect.benchmarks.store.facts import Settings


class Untrained(Blank):
    """Nothing is trained. A selector that tunes the supernet tunes only its weights."""

    name: ClassVar[str] = "untrained"
    summary: ClassVar[str] = "initial weights and alphas"
    paper: ClassVar[str] = ""
    formulation: ClassVar[int] = 1
    trains: ClassVar[bool] = False

    def settings(self) -> Settings:
        """Return the settings of initialisation and tuning.

        Settings of training have no effect.
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
