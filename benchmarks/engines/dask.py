"""The engine `dask`: workers of a Dask cluster, on this machine or elsewhere."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import active_children
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from archselect.benchmarks.engines.base import Start
from archselect.benchmarks.engines.base import call as do
from archselect.benchmarks.runtime.calls import (
    MOST_DEATHS,
    Call,
    StartError,
    WorkerDied,
    pack,
    perform,
)
from archselect.benchmarks.runtime.machine import cores
from archselect.benchmarks.runtime.workers import (
    Submit,
    block_terminal_signals,
    start_helper_processes,
)
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.input_files import expand

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture
    from distributed.security import Security

TLS = ("tls_ca_file", "tls_cert", "tls_key")
SETTINGS = ("scheduler", "resource", "timeout", *TLS)
TIMEOUT = 30
"""Seconds to wait for a scheduler."""
COUNT_INTERVAL = 5.0
"""Seconds between two counts of the workers."""
FETCH_TIMEOUT = 30.0
"""Seconds to wait for a result. If its worker has died, the call is repeated.

Other calls do not wait for it.
"""
END_TIMEOUT = 10.0
"""Seconds that the thread has to end if the scheduler does not answer."""
LOGGERS = ("asyncio", "distributed", "tornado")
"""Loggers of Dask and of the libraries that it uses."""
HOST = "127.0.0.1"
"""The address of the scheduler for local workers.

Only this machine can reach it, because anyone who can reach a scheduler can run code.
"""


def check_dask(settings: dict[str, Any]) -> None:
    """Raise UserError for a wrong setting or a missing package."""
    faults = Faults()
    _check_types(settings, faults)
    if not faults:
        with faults.collect():
            _check_address(settings)
            _check_tls(settings)
    try:
        import distributed  # noqa: F401
    except ImportError:
        faults.add(
            UserError(
                "engine 'dask' needs the package distributed: pip install 'archselect[dask]'"
            )
        )
    faults.raise_any()


def _check_types(settings: dict[str, Any], faults: Faults) -> None:
    """Add faults for unknown settings, and for settings of a wrong type."""
    for name in settings:
        if name not in SETTINGS:
            faults.add(unknown("setting of engine dask", name, SETTINGS))
    for name in ("scheduler", "resource", *TLS):
        value = settings.get(name, "text")
        if not isinstance(value, str) or not value:
            faults.add(UserError(f"{name} of engine dask: {value!r} is not a text"))
    timeout = settings.get("timeout", TIMEOUT)
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < math.inf:
        faults.add(
            UserError(f"timeout of engine dask: {timeout!r} is not a number of seconds")
        )


def _check_address(settings: dict[str, Any]) -> None:
    """Raise UserError for a scheduler's address that is not valid."""
    if "scheduler" not in settings:
        return
    try:
        address = urlsplit(settings["scheduler"])
        has_scheme = address.scheme in ("tcp", "tls")
        is_whole = has_scheme and address.hostname and address.port
    except ValueError:
        is_whole = False
    if not is_whole:
        raise UserError(
            f"scheduler of engine dask: {settings['scheduler']!r} is not an address: "
            "write tcp://HOST:PORT or tls://HOST:PORT"
        )


def _check_tls(settings: dict[str, Any]) -> None:
    """Raise UserError for settings of TLS that do not fit, or a missing file."""
    given = [name for name in TLS if name in settings]
    encrypted = settings.get("scheduler", "").startswith("tls://")
    if given and not encrypted:
        raise UserError(f"{given[0]} of engine dask needs scheduler=tls://HOST:PORT")
    missing = [name for name in TLS[:2] if name not in settings]
    if missing and (given or (encrypted and not _is_tls_configured())):
        raise UserError(
            f"engine dask needs {' and '.join(missing)} for a scheduler at tls://"
        )
    for name in given:
        if not expand(Path(settings[name])).is_file():
            raise UserError(f"{name} of engine dask: there is no file {settings[name]}")


def _is_tls_configured() -> bool:
    """Return whether Dask's own configuration names files for TLS."""
    try:
        import dask
    except ImportError:  # `check_dask` reports it
        return True
    return dask.config.get("distributed.comm.tls.ca-file", None) is not None


@contextmanager
def dask_engine(
    workers: int | None, device: str, start: Start, settings: dict[str, Any]
) -> Iterator[Submit]:
    """Open the engine (:class:`.Engine`).

    `workers` is the number of calls that run at the same time.

    Settings:
        scheduler: address of the scheduler, tcp://HOST:PORT or tls://HOST:PORT. Without
            it, workers with one thread start on this machine, with a scheduler that
            only this machine can reach.
        resource: resource of which each run takes one, such as GPU if workers were
            started with `--resources GPU=1`.
        timeout: seconds to wait for the scheduler; default 30.
        tls_ca_file, tls_cert, tls_key: files in PEM format, for a scheduler with TLS;
            by default those that Dask's own configuration names. The key can be in the
            file of the certificate.

    When a worker dies, Dask suspects every call that the worker had, and gives up calls
    that were suspected too often. This engine repeats such a call alone, after all
    other calls. If its workers still die, the call is the cause, and it fails.

    Raises:
        UserError: no scheduler answers. If the scheduler is lost later, each call
        raises
            UserError.
    """
    check_dask(settings)
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        address = settings.get("scheduler")
        if address is None:
            address = stack.enter_context(_cluster_here(workers or cores()))
        client = stack.enter_context(_connected(address, settings))
        dispatcher = _Dispatcher(client, workers, start, settings)
        stack.callback(dispatcher.close)
        yield dispatcher.submit


@contextmanager
def _cluster_here(workers: int) -> Iterator[str]:
    """Start a scheduler in this process, and workers; yield the scheduler's address.

    The workers ignore Ctrl-C.

    Raises UserError if they do not start.
    """
    import dask
    from distributed import LocalCluster

    options = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "processes": True,
        "host": HOST,
        "dashboard_address": f"{HOST}:0",
        "worker_dashboard_address": f"{HOST}:0",
        "memory_limit": None,
        "silence_logs": logging.CRITICAL,
    }
    failures = dask.config.set(
        {"distributed.scheduler.allowed-failures": MOST_DEATHS - 1}
    )
    start_helper_processes()
    others = set(active_children())
    with failures, ThreadPoolExecutor(1, initializer=block_terminal_signals) as thread:
        started = thread.submit(LocalCluster, **options)
        try:
            yield _address_of(started)
        finally:
            if not started.done():
                # Ctrl-C came first. A cluster can close only after it has started, and
                # without workers it does not start.
                for process in set(active_children()) - others:
                    process.kill()
            if started.exception() is None:
                started.result().close()


def _address_of(started: Future[Any]) -> str:
    """Return the address of a cluster's scheduler, after it has started."""
    try:
        return str(started.result().scheduler_address)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"cannot start Dask workers here: {error}: use fewer --workers"
        ) from error


@contextmanager
def _connected(address: str, settings: dict[str, Any]) -> Iterator[Client]:
    """Yield a client of a scheduler.

    Raises UserError if the scheduler does not answer.
    """
    from distributed import Client

    try:
        client = Client(
            address,
            timeout=settings.get("timeout", TIMEOUT),
            security=_security(settings),
            set_as_default=False,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address}: {error}: start one with 'dask scheduler'"
        ) from error
    with client:
        yield client


def _security(settings: dict[str, Any]) -> Security | None:
    """Return the files for TLS in the settings; None if there are none."""
    from distributed.security import Security

    files = {
        name: str(expand(Path(settings[name]))) for name in TLS if name in settings
    }
    if not files:
        return None
    return Security(
        require_encryption=True,
        tls_ca_file=files["tls_ca_file"],
        tls_client_cert=files["tls_cert"],
        tls_client_key=files.get("tls_key"),
    )


class _Event(NamedTuple):
    """A new call; or a finished call with its future."""

    call: Call
    future: DaskFuture[Any] | None = None


class _Dispatcher:
    """A dispatcher that gives a cluster as many calls as its workers can run at once.

    Only its thread uses the client. A queue brings it new calls and finished futures.
    """

    def __init__(
        self,
        client: Client,
        workers: int | None,
        start: Start,
        settings: dict[str, Any],
    ) -> None:
        self._client = client
        self._address = settings.get("scheduler", "this machine")
        self._start = start
        self._resource = settings.get("resource")
        self._workers = workers
        self._places = 1
        self._last_count = -math.inf
        self._events: SimpleQueue[_Event | None] = SimpleQueue()
        self._waiting: deque[Call] = deque()
        self._running: dict[Call, DaskFuture[Any]] = {}
        # Calls whose worker died. Each is repeated alone, to see whether it is the
        # cause.
        self._suspects: deque[Call] = deque()
        self._runs_suspect = False
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, *function: Any) -> Future[Any]:
        """Return the future of a call, which waits for a worker."""
        call = Call(Future(), function)
        self._events.put(_Event(call))
        return call.future

    def close(self) -> None:
        """Drop the calls that are not done."""
        self._events.put(None)
        self._thread.join(END_TIMEOUT)
        for call in self._drop_calls():
            call.cancel()

    def _drop_calls(self) -> list[Call]:
        """Remove all calls that are not done, and return them."""
        dropped = [*self._running, *self._waiting, *self._suspects]
        self._running.clear()
        self._waiting.clear()
        self._suspects.clear()
        return dropped

    def _serve(self) -> None:
        """Give out calls and collect results, until :meth:`close`."""
        is_open = True
        while is_open:
            try:
                is_open = self._take_events()
                if self._fault is None:
                    self._hand_over()
            except Exception as error:
                self._stop(self._explained(error))

    def _take_events(self) -> bool:
        """Wait for events and take all of them; return False after the last event."""
        with suppress(Empty):
            event = self._events.get(timeout=COUNT_INTERVAL)
            while event is not None:
                self._take(event)
                event = self._events.get_nowait()
            return False
        return True

    def _take(self, event: _Event) -> None:
        """Queue a new call, or settle a finished one."""
        if self._fault is not None:
            event.call.fail(self._fault)
        elif event.future is None:
            self._waiting.append(event.call)
        else:
            self._collect(event.call, event.future)

    def _collect(self, call: Call, future: DaskFuture[Any]) -> None:
        """Give a call its result or error.

        Raises OSError if its future was lost with the scheduler.
        """
        from distributed import KilledWorker

        status = future.status
        if status == "cancelled":
            raise ConnectionError("the connection was lost")
        try:
            error = future.exception(FETCH_TIMEOUT)
            if error is None:
                call.settle(future.result(FETCH_TIMEOUT))
        except TimeoutError:
            # The worker has died since, and another worker repeats the call.
            self._watch(call, future)
            return
        was_alone = self._runs_suspect
        self._runs_suspect = False
        if isinstance(error, KilledWorker):
            deaths = error.allowed_failures + 1 if was_alone else 0
            self._suspect(call, deaths)
        elif error is not None:
            line = f"a worker of the Dask cluster cannot run calls: {type(error).__name__}: {error}"
            raise UserError(f"{line}: install the same packages there")
        del self._running[call]

    def _suspect(self, call: Call, deaths: int) -> None:
        """Add deaths that a call surely caused. The call then fails, or is repeated."""
        call.deaths += deaths
        if call.deaths < MOST_DEATHS:
            self._suspects.append(call)
        else:
            call.fail(
                WorkerDied(
                    f"{call.deaths} workers died during this call: killed, or out of memory"
                )
            )

    def _hand_over(self) -> None:
        """Give out waiting calls, as many as the workers can run.

        When none is left, calls that may have killed a worker follow, one at a time.
        """
        if self._runs_suspect:
            return
        while self._waiting and len(self._running) < self._count_places():
            self._give(self._waiting[0])
            self._waiting.popleft()
        if self._suspects and not self._waiting and not self._running:
            self._give(self._suspects[0])
            self._suspects.popleft()
            self._runs_suspect = True

    def _count_places(self) -> int:
        """Return how many calls the workers can run at once; 1 if there are no workers.

        Workers are counted every :data:`COUNT_INTERVAL` seconds.
        """
        if self._workers is not None:
            return self._workers
        now = time.monotonic()
        if now - self._last_count > COUNT_INTERVAL:
            self._last_count = now
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            self._places = max(1, sum(map(self._places_of, workers)))
        return self._places

    def _places_of(self, worker: dict[str, Any]) -> int:
        """Return how many calls a worker can run at once."""
        if self._resource is None:
            return int(worker["nthreads"])
        return int(worker["resources"].get(self._resource, 0))

    def _give(self, call: Call) -> None:
        """Give a call to the cluster.

        Raises what the client raises without a scheduler.
        """
        if self._client.status != "running":
            raise ConnectionError("the connection was lost")
        try:
            content = pack(do, self._start, *call.function)
        except Exception as error:
            call.fail(error)
            return
        resources = None if self._resource is None else {self._resource: 1}
        future = self._client.submit(
            perform,
            content,
            key=f"archselect-{uuid4()}",
            pure=False,
            resources=resources,
        )
        self._running[call] = future
        self._watch(call, future)

    def _watch(self, call: Call, future: DaskFuture[Any]) -> None:
        """Queue an event for when a future is done."""
        future.add_done_callback(lambda done: self._events.put(_Event(call, done)))

    def _explained(self, error: Exception) -> Exception:
        """Return the error with which calls fail after an error in this thread."""
        if isinstance(error, UserError):
            return error
        if isinstance(error, OSError) or self._client.status != "running":
            return UserError(
                f"the Dask scheduler at {self._address} is gone. Finished work is kept: start a scheduler and workers, "
                "and rerun the command"
            )
        return StartError(error)

    def _stop(self, fault: Exception) -> None:
        """Fail every call, including future ones."""
        self._fault = fault
        for call in self._drop_calls():
            call.fail(fault)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's libraries from printing in this process within the block.

    Our own errors say what to do.
    """
    import distributed  # noqa: F401 (it gives its loggers handlers)

    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in LOGGERS
    ]
    loggers = [logging.getLogger(name) for name in {*names, *LOGGERS}]
    before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers = handlers
            logger.propagate = propagate
