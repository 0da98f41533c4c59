"""Eigenvalues of small matrices, for proxies."""

from __future__ import annotations

import torch
from torch import Tensor


def eigenvalues(matrix: Tensor) -> Tensor:
    """Return the eigenvalues of a symmetric matrix in ascending order, float64.

    They are NaN if an entry is not finite; torch's function fails then.

    Args:
        matrix: (size, size).
    """
    exact = matrix.double()
    finite = torch.isfinite(exact).all()
    values = torch.linalg.eigvalsh(exact.where(finite, 0))
    return values.where(finite, torch.nan)
