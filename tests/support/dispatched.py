"""How many operations a piece of work hands to the device, views and allocations apart."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode

ALLOCATIONS = (
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "_unsafe_view",
)
"""Operations that ask for memory, or look at it in another way and do not say so."""


class _Counter(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += (
            not function.is_view and function.overloadpacket.__name__ not in ALLOCATIONS
        )
        return function(*args, **(kwargs or {}))


def dispatched(work):
    """The count of a call of `work`."""
    with _Counter() as counter:
        work()
    return counter.count
