"""The list of the calls of one command: those that wait, and those in Slurm."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from time import monotonic

from archselect.benchmarks.engines.slurm.calls import JobArray, SlurmCall
from archselect.benchmarks.engines.slurm.folder import ExchangeFolder
from archselect.benchmarks.engines.slurm.notices import Notices, Silence
from archselect.nasbench_adapters.errors import UserError


class CallLedger:
    """A list that keeps every call until its future is settled.

    Args:
        folder: folder with the files of calls and results.
        notices: messages to the user.
        patience: seconds for which results may be unreadable.

    Attributes:
        waiting: calls that wait to be submitted.
        submitted: calls that were submitted, by name.
        last_result: time of the last result (:func:`time.monotonic`).
    """

    def __init__(
        self, folder: ExchangeFolder, notices: Notices, patience: float
    ) -> None:
        self.folder = folder
        self.waiting: deque[SlurmCall] = deque()
        self.submitted: dict[str, SlurmCall] = {}
        self.last_result = 0.0
        self._array_numbers = count()
        self._unreadable = Silence(notices, patience)
        self._lock = threading.Lock()
        self._fault: Exception | None = None

    def add(self, call: SlurmCall) -> None:
        """Queue a call; fail it if all calls were given up."""
        with self._lock:
            fault = self._fault
            if fault is None:
                self.waiting.append(call)
        if fault is not None:
            call.future.set_exception(fault)

    def give_up(self, fault: Exception) -> None:
        """Fail all calls, including future ones."""
        with self._lock:
            self._fault = fault
            calls = self._unsettled()
            self.waiting.clear()
        self.submitted.clear()
        for call in calls:
            call.future.set_exception(fault)

    def futures(self) -> list[Future[object]]:
        """Return the futures of the calls that are not settled."""
        return [call.future for call in self._unsettled()]

    def _unsettled(self) -> list[SlurmCall]:
        return [*self.submitted.values(), *self.waiting]

    def array_ids(self, calls: Iterable[SlurmCall] | None = None) -> set[str]:
        """Return Slurm's ids of the arrays of calls; by default of submitted ones."""
        if calls is None:
            calls = self.submitted.values()
        return {call.array_id for call in calls if call.array_id is not None}

    def make_array(self, size: int) -> JobArray:
        """Move at most `size` waiting calls into a new array."""
        array = JobArray(number=next(self._array_numbers), calls=[])
        for index in range(min(size, len(self.waiting))):
            call = self.waiting.popleft()
            call.array = array
            call.index = index
            array.calls.append(call.name)
            self.submitted[call.name] = call
        return array

    def calls_of(self, array: JobArray) -> list[SlurmCall]:
        """Return the calls of an array that are not settled."""
        names = [name for name in array.calls if name in self.submitted]
        return [self.submitted[name] for name in names]

    def take_back(self, array: JobArray) -> None:
        """Queue the calls of an array again, before all others.

        Slurm does not have the array.
        """
        self.folder.drop_array(array.number)
        calls = self.calls_of(array)
        for call in calls:
            del self.submitted[call.name]
            call.array = None
        self.waiting.extendleft(reversed(calls))

    def fail_waiting(self, number: int, reason: str) -> None:
        """Fail the calls that have waited longest."""
        for _ in range(min(number, len(self.waiting))):
            call = self.waiting.popleft()
            self.folder.remove_call(call.name)
            call.future.set_exception(RuntimeError(reason))

    def fail(self, call: SlurmCall, reason: str) -> None:
        """Fail a submitted call."""
        self._remove(call)
        call.future.set_exception(RuntimeError(reason))

    def wait_again(self, call: SlurmCall) -> None:
        """Queue a submitted call again, after all others."""
        del self.submitted[call.name]
        self._remove_log(call)
        self.waiting.append(call)

    def collect(self) -> None:
        """Settle the calls that have results.

        Raises UserError if the folder is unreadable for too long.
        """
        try:
            names = self.folder.results()
        except OSError as error:
            if self._unreadable.note_failure(error):
                raise UserError(
                    f"cannot read the results of Slurm's jobs: {error}. The jobs are cancelled"
                ) from error
            return
        self._unreadable.note_answer(str(self.folder.path))
        for name in names:
            if name in self.submitted:
                self._settle(self.submitted[name])

    def _settle(self, call: SlurmCall) -> None:
        """Give a future its result, and remove the files."""
        try:
            content = self.folder.read_result(call.name)
        except OSError:
            # Try again next time. If it stays unreadable, the job counts as lost.
            return
        self.last_result = monotonic()
        self._remove(call)
        try:
            result, error = pickle.loads(content)  # noqa: S301 (of this command's own job)
        except Exception as fault:
            message = f"{type(fault).__name__}: {fault}"
            error = RuntimeError(f"the result of a Slurm job cannot be read: {message}")
        if error is None:
            self._remove_log(call)
            call.future.set_result(result)
        else:
            call.future.set_exception(error)

    def _remove(self, call: SlurmCall) -> None:
        del self.submitted[call.name]
        self.folder.remove_call(call.name)

    def _remove_log(self, call: SlurmCall) -> None:
        if call.array is None:
            return
        log = self.folder.log(call.array.number, call.index)
        with suppress(OSError):
            log.unlink()
