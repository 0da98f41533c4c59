"""What proxies share that look at the eigenvalues of small matrices."""

from __future__ import annotations

import torch
from torch import Tensor


def eigenvalues(matrix: Tensor) -> Tensor:
    """Return the eigenvalues of a symmetric matrix in ascending order, float64.

    They are NaN where an entry is not finite, on which torch's own function fails.

    Args:
        matrix: (size, size).
    """
    exact = matrix.double()
    finite = torch.isfinite(exact).all()
    values = torch.linalg.eigvalsh(exact.where(finite, 0))
    return values.where(finite, torch.nan)
