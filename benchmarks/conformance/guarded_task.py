"""A task whose selector can use only what `Task` documents."""

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
"""Methods of `Task` that use the task as the selector sees it."""


class GuardedTask:
    """A task as a selector sees it. Use of any other attribute is noted.

    Args:
        task: task that answers; the watch pauses in the meantime.
        watch: watch that gets the notes.
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
            f"it uses task.{name}, which Task does not offer (Task offers {offered})",
        )
        raise AttributeError(f"a task offers no {name!r}; it offers {offered}")

    def __setattr__(self, name: str, value: object) -> None:
        watch = object.__getattribute__(self, "_watch")
        watch.note(
            "offered", f"it sets task.{name}, but a selector must not change its task"
        )
        raise AttributeError(f"a selector does not set task.{name}")
