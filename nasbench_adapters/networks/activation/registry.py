"""The activations by name."""

from __future__ import annotations

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.clipped import ClippedAlphas
from archselect.nasbench_adapters.networks.activation.dirichlet import DirichletMean
from archselect.nasbench_adapters.networks.activation.ones import Ones
from archselect.nasbench_adapters.networks.activation.sigmoid import Sigmoid
from archselect.nasbench_adapters.networks.activation.softmax import SOFTMAX

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (SOFTMAX, ClippedAlphas(), Sigmoid(), DirichletMean(), Ones())
}


def get_activation(name: str) -> Activation:
    """Return the activation with a name; raise UserError if it is unknown."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]
