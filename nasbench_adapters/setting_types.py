"""Types of the settings of optimisers and selectors, with their allowed values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archselect.nasbench_adapters.limits import (
    MOST_BATCHES,
    MOST_CELLS_SAMPLED,
    MOST_COUNT,
    MOST_EPOCHS,
    MOST_IMAGES_AT_ONCE,
)

Epochs = Annotated[int, Field(ge=0, le=MOST_EPOCHS)]
"""Number of epochs, at least zero."""
EpochsFromOne = Annotated[int, Field(ge=1, le=MOST_EPOCHS)]
"""Number of epochs, at least one."""
BatchSize = Annotated[int, Field(ge=2, le=MOST_IMAGES_AT_ONCE)]
"""Images per batch; normalisation needs two."""
Batches = Annotated[int, Field(ge=1, le=MOST_BATCHES)]
"""Number of batches, or of repetitions that take some batches each."""
Count = Annotated[int, Field(ge=1, le=MOST_COUNT)]
"""Number of architectures in a population, or of changes of one; at least one."""
Architectures = Annotated[int, Field(ge=1, le=MOST_CELLS_SAMPLED)]
"""Number of architectures, at least one."""
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
"""Number of bytes, at least zero."""
Positive = Annotated[float, Field(gt=0)]
"""Number above zero."""
NonNegative = Annotated[float, Field(ge=0)]
"""Number of at least zero."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""Number of at least zero and below one."""
