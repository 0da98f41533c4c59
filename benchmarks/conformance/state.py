"""The state that a selector must not change, and the changes found.

It consists of the supernet, the alphas and the global random generators. The alphas may
change by `task.tune`, but in no other way.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks import Supernet

State = dict[str, object]
"""The values of parts of the state, by their names in messages."""


class StateTracker:
    """Compares the state with an earlier one when asked to.

    Args:
        supernet: supernet whose weights, gradients, modes and hooks are compared; None
            if there is no supernet.
        alphas: one tensor per cell type.

    Attributes:
        changes: names of the changed parts, once for each time that a change was found.
    """

    def __init__(self, supernet: Supernet | None, alphas: Sequence[Tensor]) -> None:
        self.changes: list[str] = []
        self._supernet = supernet
        self._alphas = alphas
        self._expected: State = {}

    def expect_present(self) -> None:
        """Make the present state the expected one."""
        self._expected = self._whole()

    def expect_present_alphas(self) -> None:
        """Make the present alphas the expected ones, after the task has tuned them."""
        self._expected |= state_of_alphas(self._alphas)

    def compare(self) -> None:
        """Note what changed in the whole state."""
        self._compare(self._whole())

    def compare_alphas(self) -> None:
        """Note what changed in the alphas."""
        self._compare(state_of_alphas(self._alphas))

    def _whole(self) -> State:
        if self._supernet is None:
            return _copied(_global_state(torch.device("cpu")))
        return state_of(self._supernet) | state_of_alphas(self._alphas)

    def _compare(self, state: State) -> None:
        expected = {name: self._expected.get(name) for name in state}
        self.changes += changed_parts(expected, state)


def state_of(supernet: Supernet) -> State:
    """Return copies of the state of a model and of the global random generators."""
    state: State = {}
    for name, value in supernet.state_dict().items():
        state[f"'{name}' of the supernet"] = value
    for name, parameter in supernet.named_parameters():
        state[f"the gradient of '{name}' of the supernet"] = parameter.grad
        state[f"requires_grad of '{name}' of the supernet"] = parameter.requires_grad
    for name, module in supernet.named_modules():
        shown = f"'{name or 'the supernet'}'"
        tracks = getattr(module, "track_running_stats", None)
        state[f"the mode of {shown}"] = (module.training, tracks)
        state[f"the hooks of {shown}"] = _hooks_of(module)
    device = next(supernet.parameters()).device
    return _copied(state | _global_state(device))


def state_of_alphas(alphas: Sequence[Tensor]) -> State:
    """Return copies of the alphas and of their gradients."""
    state: State = {}
    for cell, alpha in enumerate(alphas):
        state[f"the alphas of cell type {cell}"] = alpha.detach()
    for cell, alpha in enumerate(alphas):
        state[f"the gradient of the alphas of cell type {cell}"] = alpha.grad
    return _copied(state)


def changed_parts(before: State, after: State) -> list[str]:
    """Return the names of the parts that differ between two states."""
    changed = []
    for name in {**before, **after}:
        old = before.get(name)
        new = after.get(name)
        if not _equal(old, new):
            changed.append(name)
    return changed


def _hooks_of(module: nn.Module) -> tuple[tuple[int, ...], ...]:
    """Return the keys of a module's forward and backward hooks."""
    return (
        tuple(module._forward_hooks),
        tuple(module._forward_pre_hooks),
        tuple(module._backward_hooks),
    )


def _global_state(device: torch.device) -> State:
    """Return the states of the global random generators, and torch's gradient mode."""
    state: State = {"torch's global random state": torch.random.get_rng_state()}
    if device.type == "cuda":
        on_device = torch.cuda.get_rng_state(device)
        state["torch's global random state on the device"] = on_device
    state["numpy's global random state"] = repr(np.random.get_state())  # noqa: NPY002 (the global one is meant)
    state["Python's global random state"] = random.getstate()
    state["torch's gradient mode"] = torch.is_grad_enabled()
    return state


def _copied(state: State) -> State:
    """Return a state whose tensors are copies."""
    copied: State = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            copied[name] = value.clone()
        else:
            copied[name] = value
    return copied


def _equal(before: object, after: object) -> bool:
    """Return whether two values have the same type and are equal; NaN equals NaN."""
    if isinstance(before, Tensor) and isinstance(after, Tensor):
        if before.shape != after.shape:
            return False
        close = torch.isclose(before, after, rtol=0, atol=0, equal_nan=True)
        return bool(close.all())
    return type(before) is type(after) and before == after
