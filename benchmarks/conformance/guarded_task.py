"""A task of which a selector can use what `Task` documents, and nothing else."""

from __future__ import annotations

from functools import partial
from typing import Any

from archselect.benchmarks.conformance.watch import SelectorWatch
from archselect.selectors.base import Task

VALUES = tuple(Task.__annotations__)
"""The attributes of a task, such as `alphas`."""
OFFERED = frozenset(
    {*VALUES, *(name for name in vars(Task) if not name.startswith("_"))}
)
"""The attributes and methods of a task."""
_IMPLEMENTED_BY_TASK = frozenset({"search", "pick"})
"""Methods of `Task` that work on the task as the selector sees it."""


class GuardedTask:
    """A task as a selector sees it; any other attribute that is used or set is noted.

    Args:
        task: gives the answers. The watch pauses while it does.
        watch: gets the notes.
    """

    def __init__(self, task: Task, watch: SelectorWatch) -> None:
        object.__setattr__(self, "_task", task)
        object.__setattr__(self, "_watch", watch)

    def __getattribute__(self, name: str) -> Any:
        task = object.__getattribute__(self, "_task")
        watch = object.__getattribute__(self, "_watch")
        if name in _IMPLEMENTED_BY_TASK:
            return partial(getattr(Task, name), self)
        if name in VALUES:
            return getattr(task, name)
        if name in OFFERED:
            return watch.unwatched(getattr(task, name))
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        offered = ", ".join(sorted(OFFERED))
        watch.note(
            "offered",
            f"it uses task.{name}, which Task does not offer (it offers {offered})",
        )
        raise AttributeError(f"a task offers no {name!r}; it offers {offered}")

    def __setattr__(self, name: str, value: object) -> None:
        watch = object.__getattribute__(self, "_watch")
        watch.note(
            "offered", f"it sets task.{name}; the task is shared, and not its own"
        )
        raise AttributeError(f"a selector does not set task.{name}")
