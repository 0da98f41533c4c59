"""What a selector is tried on: a task whose answers are drawn in place of measured, and a watch on all else it does.

A rehearsal costs next to nothing, asks for every path through a selector (ties, `none`
winning everywhere), and has the same answers on every machine. A :class:`Premiere`
measures its first answers.
"""

from __future__ import annotations

import os
import random
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial, wraps
from importlib.machinery import all_suffixes
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from archselect.benchmarks.runs.task import SupernetTask
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import (
    Mixture,
    Supernet,
    mixture_of,
    new_alphas,
)
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import (
    DROPPED,
    OPEN,
    Architecture,
    Decisions,
    SearchSpace,
)
from archselect.selectors.base import Evaluation, Minibatch, Task
from archselect.selectors.proxies import get_proxy

MOST_QUESTIONS = 20_000
"""More than any selector asks on any space; one that asks more does not end."""
BATCH, STEP = 8, 0.3
"""Images at most in a batch of a rehearsal; how far, times normal, its tuning moves
alphas.
"""
NOT_FINITE = float("nan"), float("inf"), -float("inf")
VALUES = tuple(Task.__annotations__)
OFFERED = frozenset(
    {*VALUES, *(name for name in vars(Task) if not name.startswith("_"))}
)
_BUILT_ON_OTHERS = frozenset(OFFERED - {*VALUES, *Task.__abstractmethods__})
"""Methods that `Task` itself has: they ask the task for the rest."""


class Watch:
    """Notes, by topic, what a selector does that it should not.

    Attributes:
        notes: topic to what was seen.
        device: of the task.
        ours: whether the code that runs is the task's and not the selector's.
    """

    def __init__(self, device: torch.device) -> None:
        self.notes: dict[str, list[str]] = defaultdict(list)
        self.device = device
        self.ours = True

    def note(self, topic: str, what: str) -> None:
        """Note it, once."""
        if what not in self.notes[topic]:
            self.notes[topic].append(what)

    def within(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The task's method, during which the selector is not looked at."""

        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            before, self.ours = self.ours, True
            try:
                return method(*args, **kwargs)
            finally:
                self.ours = before

        return call

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within it devices and files are watched."""
        _listen()
        _watches.append(self)
        self.ours = False
        try:
            with _Devices(self):
                yield
        finally:
            self.ours = True
            _watches.remove(self)


class _Devices(TorchFunctionMode):
    """Sees every call of torch; notes those that name a device."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if not self.watch.ours:
            name = getattr(func, "__name__", "")
            named = (
                [name]
                if name == "cuda"
                else [
                    (kwargs or {}).get("device"),
                    *(args[1:2] if name == "to" else ()),
                ]
            )
            for device in named:
                other = (
                    isinstance(device, torch.device)
                    and device.type != self.watch.device.type
                )
                if isinstance(device, str) or other:
                    self.watch.note("devices", f"it names the device '{device}'")
        return func(*args, **(kwargs or {}))


_watches: list[Watch] = []
_FILES = (
    "open",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "subprocess.Popen",
    "socket.connect",
)
_WRITES = os.O_WRONLY | os.O_RDWR


@cache
def _listen() -> None:
    """Have the interpreter tell of opened files; it can be asked only once, and for good."""
    sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if (
        event in _FILES
        and _watches
        and not _watches[-1].ours
        and not (event == "open" and _import(*args))
    ):
        _watches[-1].note(
            "files", f"it uses files, processes or the network ({event} {args[0]!r})"
        )


def _import(path: Any, mode: Any, flags: int) -> bool:
    """Whether a file is opened to import a module, or belongs to an installed one or to the system."""
    if isinstance(path, int):
        return True
    file = os.fsdecode(path)
    if "__pycache__" in file or file.startswith(("/dev/", "/proc/", "/sys/")):
        return True
    reads = not flags & _WRITES
    return reads and (
        file.endswith(tuple(all_suffixes()))
        or file.startswith((sys.prefix, sys.base_prefix))
    )


class Offered:
    """A task as a selector sees it: what `Task` lists and nothing else.

    What else is reached for is noted.
    """

    def __init__(self, task: Rehearsal, watch: Watch) -> None:
        object.__setattr__(self, "_task", task)
        object.__setattr__(self, "_watch", watch)

    def __getattribute__(self, name: str) -> Any:
        task, watch = (
            object.__getattribute__(self, "_task"),
            object.__getattribute__(self, "_watch"),
        )
        if name in _BUILT_ON_OTHERS:
            return partial(getattr(Task, name), self)
        if name in OFFERED:
            value = getattr(task, name)
            return value if name in VALUES else watch.within(value)
        if not name.startswith("__"):
            watch.note(
                "offered",
                f"it uses task.{name}, which Task does not offer (it offers {_listed()})",
            )
            raise AttributeError(f"a task offers no {name!r}; it offers {_listed()}")
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        watch = object.__getattribute__(self, "_watch")
        watch.note(
            "offered", f"it sets task.{name}; the task is shared, and not its own"
        )
        raise AttributeError(f"a selector does not set task.{name}")


def _listed() -> str:
    return ", ".join(sorted(OFFERED))


class Rehearsal(Task):
    """A task whose answers are drawn: the same question has the same answer.

    See :class:`.Task`.

    It gives less than is asked for, so that it costs little: batches of 8 images at
    most, and tuning that moves the alphas at random and nothing else.

    Args:
        space, supernet: left as they are.
        alphas: to start from; they are copied.
        images: batches are of its training half.
        seed: of every random stream and of the answers.
        levels: how many different answers there are; few make ties.
        watch: is told of questions that make no sense.
        share_undefined: of the answers are not finite.

    Attributes:
        undefined: how many answers were not finite.
        touched: what of the state is not as it was, but for tuning; see
            :func:`state_of`. Complete after :meth:`end`.
    """

    def __init__(
        self,
        space: SearchSpace,
        supernet: Supernet,
        alphas: Sequence[Tensor],
        images: Images,
        seed: int,
        levels: int,
        watch: Watch,
        share_undefined: float = 0.0,
    ) -> None:
        self.space, self.supernet, self.images = space, supernet, images
        self.alphas = tuple(alpha.detach().clone().requires_grad_() for alpha in alphas)
        self.rng = np.random.default_rng(stream_seed("rehearsal choices", seed))
        self.undefined = 0
        self.touched: list[str] = []
        self._asked, self._levels, self._share, self._watch = (
            0,
            levels,
            share_undefined,
            watch,
        )
        self._salt = str(seed).encode()
        self._streams = {
            purpose: torch.Generator().manual_seed(
                stream_seed(f"rehearsal {purpose}", seed)
            )
            for purpose in ("alphas", "batches", "tuning")
        }

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """See :meth:`.Task.mixture`."""
        self._check(decisions)
        with torch.no_grad():
            return mixture_of(
                self.space, self.alphas if alphas is None else alphas, decisions
            )

    def new_alphas(self) -> tuple[Tensor, ...]:
        """See :meth:`.Task.new_alphas`."""
        return new_alphas(self.space, self._streams["alphas"], self.images.device)

    def minibatch(self, size: int) -> Minibatch:
        """See :meth:`.Task.minibatch`."""
        return Minibatch(
            *self.images.minibatch("train", min(size, BATCH), self._streams["batches"])
        )

    def evaluate(
        self, mixture: Mixture, norm: str = "running", augment: bool = False
    ) -> Evaluation:
        """See :meth:`.Task.evaluate`."""
        question = _bytes(mixture)
        return Evaluation(
            100 * self._draw(b"accuracy", question), 3 * self._draw(b"loss", question)
        )

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate_tuned`."""
        return self.evaluate(self.mixture(decisions), norm, augment)

    def proxy(
        self, name: str, mixture: Mixture, batch: Minibatch, norm: str = "running"
    ) -> float:
        """See :meth:`.Task.proxy`."""
        get_proxy(name)
        return 1000 * self._draw(name.encode(), _bytes(mixture))

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """See :meth:`.Task.proxies`."""
        return [self.proxy(name, mixture, batch, norm) for mixture in mixtures]

    def proxy_of_network(
        self, name: str, architecture: Architecture, batches: int, size: int
    ) -> float:
        """See :meth:`.Task.proxy_of_network`."""
        get_proxy(name)
        return 1000 * self._draw(
            b"network " + name.encode(), repr(architecture).encode()
        )

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """See :meth:`.Task.tune`."""
        self._check(decisions)
        self._count()
        self._look(state_of_alphas(self.alphas))
        with torch.no_grad():
            for alpha in self.alphas:
                step = torch.randn(alpha.shape, generator=self._streams["tuning"])
                alpha.add_(STEP * bool(epochs) * step.to(alpha.device))
        self._known |= state_of_alphas(self.alphas)

    def begin(self) -> None:
        """Take the state as it is for the one that is to be left."""
        self._known = state_of(self.supernet) | state_of_alphas(self.alphas)

    def end(self) -> None:
        """Look at the state for the last time."""
        self._look(state_of(self.supernet) | state_of_alphas(self.alphas))

    def _look(self, state: State) -> None:
        self.touched += changed({name: self._known.get(name) for name in state}, state)

    def _draw(self, purpose: bytes, question: bytes) -> float:
        """Return an answer from 0 to 1, or a number that is not finite."""
        self._count()
        lot = zlib.crc32(self._salt + b"undefined" + purpose + question)
        if lot < self._share * 2**32:
            self.undefined += 1
            return NOT_FINITE[lot % len(NOT_FINITE)]
        return zlib.crc32(self._salt + purpose + question) % self._levels / self._levels

    def _count(self) -> None:
        self._asked += 1
        if self._asked > MOST_QUESTIONS:
            raise RuntimeError(
                f"more than {MOST_QUESTIONS} questions asked: it does not seem to end"
            )

    def _check(self, decisions: Decisions) -> None:
        """Note decisions for operations that their edges do not allow."""
        for cell, row in zip(self.space.cells, decisions.choices, strict=True):
            for edge, (names, choice) in enumerate(
                zip(cell.operations, row, strict=True)
            ):
                if choice not in (OPEN, DROPPED) and not 0 <= choice < len(names):
                    self._watch.note(
                        "decisions",
                        f"it decides edge {edge} of '{cell.name}' for operation {choice}, but the edge allows "
                        f"{len(names)} ({', '.join(names)})",
                    )


class Premiere(Rehearsal):
    """A rehearsal whose first scores and tunings are those of a real task.

    Args:
        task: the real one; supernet, alphas and generator are its own.
        seed, levels, watch: as for a rehearsal.
        scores, tunings: how many are measured.
    """

    def __init__(
        self,
        task: SupernetTask,
        seed: int,
        levels: int,
        watch: Watch,
        scores: int,
        tunings: int,
    ) -> None:
        super().__init__(
            task.space, task.supernet, task.alphas, task.images, seed, levels, watch
        )
        self.alphas, self.rng = task.alphas, task.rng
        self._task, self._scores, self._tunings = task, scores, tunings

    def evaluate(
        self, mixture: Mixture, norm: str = "running", augment: bool = False
    ) -> Evaluation:
        """See :meth:`.Task.evaluate`."""
        if self._drawn():
            return super().evaluate(mixture, norm, augment)
        return self._task.evaluate(mixture, norm, augment)

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate_tuned`."""
        if self._drawn():
            return super().evaluate_tuned(
                decisions, epochs, learning_rate, norm, augment
            )
        self._check(decisions)
        return self._task.evaluate_tuned(
            decisions, min(epochs, 1), learning_rate, norm, augment
        )

    def proxy(
        self, name: str, mixture: Mixture, batch: Minibatch, norm: str = "running"
    ) -> float:
        """See :meth:`.Task.proxy`."""
        if self._drawn():
            return super().proxy(name, mixture, batch, norm)
        return self._task.proxy(name, mixture, batch, norm)

    def proxy_of_network(
        self, name: str, architecture: Architecture, batches: int, size: int
    ) -> float:
        """See :meth:`.Task.proxy_of_network`."""
        if self._drawn():
            return super().proxy_of_network(name, architecture, batches, size)
        return self._task.proxy_of_network(
            name, architecture, min(batches, 1), min(size, BATCH)
        )

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """See :meth:`.Task.tune`."""
        self._tunings -= 1
        if self._tunings < 0:
            super().tune(decisions, epochs, learning_rate)
            return
        self._check(decisions)
        self.end()
        self._task.tune(decisions, min(epochs, 1), learning_rate)
        self.begin()

    def _drawn(self) -> bool:
        """Whether the next score is drawn."""
        self._scores -= 1
        return self._scores < 0


def _bytes(mixture: Mixture) -> bytes:
    return b"".join(rows.detach().cpu().numpy().tobytes() for rows in mixture.weights)


State = dict[str, object]


def state_of(supernet: Supernet) -> State:
    """All that a selector leaves as it is, but for the alphas, by a name: the model and the global random states."""
    device = next(supernet.parameters()).device
    state: State = {
        f"'{name}' of the supernet": value
        for name, value in supernet.state_dict().items()
    }
    for name, parameter in supernet.named_parameters():
        state[f"the gradient of '{name}' of the supernet"] = parameter.grad
        state[f"requires_grad of '{name}' of the supernet"] = parameter.requires_grad
    for name, module in supernet.named_modules():
        state[f"the mode of '{name or 'the supernet'}'"] = (
            module.training,
            getattr(module, "track_running_stats", None),
        )
        hooks = (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
        )
        state[f"the hooks of '{name or 'the supernet'}'"] = tuple(map(tuple, hooks))
    state["torch's global random state"] = torch.random.get_rng_state()
    if device.type == "cuda":
        state["torch's global random state on the device"] = torch.cuda.get_rng_state(
            device
        )
    state["numpy's global random state"] = repr(np.random.get_state())  # noqa: NPY002 (the global one is meant)
    state["Python's global random state"] = random.getstate()
    state["torch's gradient mode"] = torch.is_grad_enabled()
    return _copied(state)


def state_of_alphas(alphas: Sequence[Tensor]) -> State:
    """The alphas, by a name, as :func:`state_of`."""
    state: State = {
        f"the alphas of cell type {c}": alpha.detach() for c, alpha in enumerate(alphas)
    }
    return _copied(
        state
        | {
            f"the gradient of the alphas of cell type {c}": a.grad
            for c, a in enumerate(alphas)
        }
    )


def _copied(state: State) -> State:
    return {
        name: value.clone() if isinstance(value, Tensor) else value
        for name, value in state.items()
    }


def changed(before: State, after: State) -> list[str]:
    """The names of what is not as it was."""

    def same(a: object, b: object) -> bool:
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return a.shape == b.shape and bool(
                torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).all()
            )
        return type(a) is type(b) and a == b

    return [
        name
        for name in {**before, **after}
        if not same(before.get(name), after.get(name))
    ]


@contextmanager
def global_randomness(seed: int) -> Iterator[None]:
    """Within it the global random states are those of a seed; afterwards they are as before."""
    torch_state, python_state = torch.random.get_rng_state(), random.getstate()
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
