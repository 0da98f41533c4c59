"""Watch what a selector does besides asking its task: devices, files, randomness.

Two hooks report it. A mode of torch sees every call that names a device. An audit hook
of the interpreter sees opened files, processes and connections.
"""

from __future__ import annotations

import os
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from importlib.machinery import all_suffixes
from typing import Any, Literal

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

Topic = Literal["decisions", "devices", "files", "offered"]
"""The subject of a note; each topic belongs to one check."""


class SelectorWatch:
    """Notes, by topic, what a selector does that it should not do.

    Attributes:
        notes: observations by topic, each once.
        device: device of the task; a selector must not name another one.
        paused: whether the running code is the task's and not the selector's.
    """

    def __init__(self, device: torch.device) -> None:
        self.notes: dict[str, list[str]] = defaultdict(list)
        self.device = device
        self.paused = True

    def note(self, topic: Topic, message: str) -> None:
        """Add a note, unless the same note exists already."""
        if message not in self.notes[topic]:
            self.notes[topic].append(message)

    def unwatched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of the task that pauses the watch while it runs."""

        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            before = self.paused
            self.paused = True
            try:
                return method(*args, **kwargs)
            finally:
                self.paused = before

        return call

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch devices and files within the block."""
        _install_audit_hook()
        _active_watches.append(self)
        self.paused = False
        try:
            with _DeviceMode(self):
                yield
        finally:
            self.paused = True
            _active_watches.remove(self)


class _DeviceMode(TorchFunctionMode):
    """A mode of torch that notes calls that name a device."""

    def __init__(self, watch: SelectorWatch) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if not self._watch.paused:
            name = getattr(func, "__name__", "")
            for device in _devices_named(name, args, kwargs or {}):
                if self._is_foreign(device):
                    self._watch.note("devices", f"it names the device '{device}'")
        return func(*args, **(kwargs or {}))

    def _is_foreign(self, device: Any) -> bool:
        """Return whether a device is a name, or of another type than the task's."""
        if isinstance(device, torch.device):
            return device.type != self._watch.device.type
        return isinstance(device, str)


def _devices_named(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
    """Return the arguments with which a call of torch may name a device."""
    if name == "cuda":
        return [name]
    named = [kwargs.get("device")]
    if name == "to":
        named += args[1:2]
    return named


_active_watches: list[SelectorWatch] = []
"""The last one gets the notes of the audit hook."""
_WATCHED_EVENTS = (
    "open",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "subprocess.Popen",
    "socket.connect",
)
"""Audit events of files, processes and connections."""
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR


@cache
def _install_audit_hook() -> None:
    """Install the audit hook once, because Python cannot remove one."""
    sys.addaudithook(_on_audit_event)


def _on_audit_event(event: str, args: tuple[Any, ...]) -> None:
    """Note an event that the selector causes, if it is a watched one."""
    if event not in _WATCHED_EVENTS or not _active_watches:
        return
    watch = _active_watches[-1]
    if watch.paused:
        return
    if event == "open" and _is_harmless(path=args[0], flags=args[2]):
        return
    watch.note(
        "files", f"it uses files, processes or the network ({event} {args[0]!r})"
    )


def _is_harmless(path: Any, flags: int) -> bool:
    """Return whether a file is opened by an import, or belongs to the system.

    An installed data file is not harmless: it can be a table of true accuracies.
    """
    if isinstance(path, int):
        return True
    file = os.fsdecode(path)
    if "__pycache__" in file or file.startswith(("/dev/", "/proc/", "/sys/")):
        return True
    if flags & _WRITE_FLAGS:
        return False
    is_module = file.endswith(tuple(all_suffixes()))
    is_metadata = ".dist-info/" in file
    return is_module or is_metadata


@contextmanager
def global_randomness(seed: int) -> Iterator[None]:
    """Seed the global random generators within the block, and restore them after it."""
    torch_state = torch.random.get_rng_state()
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 (the global one is meant)
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        torch.random.set_rng_state(torch_state)
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
