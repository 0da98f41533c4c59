"""The calls of one command: which wait, which are with Slurm, and what came of them."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from time import monotonic

from archselect.benchmarks.engines.slurm.notices import Notices, Silence
from archselect.benchmarks.engines.slurm.place import Place
from archselect.benchmarks.engines.slurm.tasks import Array, Task
from archselect.nasbench_adapters.errors import UserError


class Ledger:
    """Keeps every call until it is settled, and then nothing of it.

    Args:
        place: where calls and results are files.
        notices: to tell the user something.
        patience: seconds for which results may be unreadable.

    Attributes:
        waiting: calls to be submitted.
        going: calls that were submitted, by name.
        last_result: when a result was last read, as of :func:`time.monotonic`.
    """

    def __init__(self, place: Place, notices: Notices, patience: float) -> None:
        self.place = place
        self.waiting: deque[Task] = deque()
        self.going: dict[str, Task] = {}
        self.last_result = 0.0
        self._numbers = count()
        self._unreadable = Silence(notices, patience)
        self._lock = threading.Lock()
        self._fault: Exception | None = None

    def add(self, task: Task) -> None:
        """Have a call wait; fail it if all were given up."""
        with self._lock:
            fault = self._fault
            if fault is None:
                self.waiting.append(task)
        if fault is not None:
            task.future.set_exception(fault)

    def give_up(self, fault: Exception) -> None:
        """Fail all calls, and those to come."""
        with self._lock:
            self._fault = fault
            tasks = [*self.going.values(), *self.waiting]
            self.waiting.clear()
        self.going.clear()
        for task in tasks:
            task.future.set_exception(fault)

    def futures(self) -> list[Future[object]]:
        """Return the futures of the calls that are not settled."""
        return [task.future for task in [*self.going.values(), *self.waiting]]

    def array_ids(self, tasks: Iterable[Task] | None = None) -> set[str]:
        """Return Slurm's ids of the arrays that calls are in; of all that are not settled, if none are given."""
        some = self.going.values() if tasks is None else tasks
        return {task.array_id for task in some if task.array_id is not None}

    def make_array(self, size: int) -> Array:
        """Move calls, `size` at most, from those that wait into a new array."""
        tasks = [self.waiting.popleft() for _ in range(min(size, len(self.waiting)))]
        array = Array(next(self._numbers), [task.name for task in tasks])
        for index, task in enumerate(tasks):
            task.array = array
            task.index = index
            self.going[task.name] = task
        return array

    def tasks_of(self, array: Array) -> list[Task]:
        """Return the calls of an array that are not settled."""
        return [self.going[name] for name in array.calls if name in self.going]

    def take_back(self, array: Array) -> None:
        """Have the calls of an array that Slurm does not have wait again, before all others."""
        self.place.drop_array(array.number)
        tasks = self.tasks_of(array)
        for task in tasks:
            del self.going[task.name]
            task.array = None
        self.waiting.extendleft(reversed(tasks))

    def fail_waiting(self, number: int, why: str) -> None:
        """Fail the calls that wait longest."""
        for _ in range(min(number, len(self.waiting))):
            task = self.waiting.popleft()
            self.place.forget(task.name)
            task.future.set_exception(RuntimeError(why))

    def fail(self, task: Task, why: str) -> None:
        """Fail a call that was submitted."""
        self._remove(task)
        task.future.set_exception(RuntimeError(why))

    def wait_again(self, task: Task) -> None:
        """Have a call that was submitted wait again, after all others."""
        del self.going[task.name]
        self._remove_log(task)
        self.waiting.append(task)

    def collect(self) -> None:
        """Settle the calls whose results are there.

        Raises UserError if the folder is unreadable for too long.
        """
        try:
            names = self.place.results()
        except OSError as error:
            if self._unreadable.goes_on(error):
                raise UserError(
                    f"cannot read the results of Slurm's jobs: {error}; the jobs are cancelled"
                ) from error
            return
        self._unreadable.ends(str(self.place.path))
        for name in names:
            if name in self.going:
                self._settle(self.going[name])

    def _settle(self, task: Task) -> None:
        """Give a future its result, and remove the files."""
        try:
            content = self.place.read_result(task.name)
        except OSError:
            return  # The next look tries again; if none can read it, the job counts as gone.
        self.last_result = monotonic()
        self._remove(task)
        try:
            result, error = pickle.loads(content)  # noqa: S301 (of this command's own job)
        except Exception as fault:
            error = RuntimeError(
                f"the result of a Slurm job cannot be read: {type(fault).__name__}: {fault}"
            )
        if error is None:
            self._remove_log(task)
            task.future.set_result(result)
        else:
            task.future.set_exception(error)

    def _remove(self, task: Task) -> None:
        del self.going[task.name]
        self.place.forget(task.name)

    def _remove_log(self, task: Task) -> None:
        if task.array is not None:
            with suppress(OSError):
                self.place.log(task.array.number, task.index).unlink()
