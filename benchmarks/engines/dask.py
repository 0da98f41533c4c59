"""The engine `dask`: workers of a Dask cluster, of this machine or of a scheduler somewhere else."""

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

TLS = ("tls_ca_file", "tls_cert", "tls_key")
SETTINGS = ("scheduler", "resource", "timeout", *TLS)
TIMEOUT = 30
"""Seconds to wait for a scheduler."""
LOOK = 5.0
"""Seconds after which workers are counted again."""
FETCH = 30.0
"""Seconds to wait for a result: if its worker has died since, the call is done again,
and others are not to wait.
"""
GRACE = 10.0
"""Seconds that the thread has to end where it speaks with a scheduler that does not
answer.
"""
NOISY = ("asyncio", "distributed", "tornado")
"""Loggers of Dask and of what it is made of."""
HOST = "127.0.0.1"
"""Where the scheduler of this machine's workers listens: on this machine only, as who
reaches it can run code.
"""


def check_dask(settings: dict[str, Any]) -> None:
    """Raise UserError for an unknown setting, one of a wrong type, or a missing package."""
    faults = Faults()
    for name in settings:
        if name not in SETTINGS:
            faults.add(unknown("setting of engine dask", name, SETTINGS))
    for name in ("scheduler", "resource", *TLS):
        if name in settings and not (
            isinstance(settings[name], str) and settings[name]
        ):
            faults.add(
                UserError(f"{name} of engine dask: {settings[name]!r} is no text")
            )
    timeout = settings.get("timeout", TIMEOUT)
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not number or not 0 < timeout < math.inf:
        faults.add(
            UserError(f"timeout of engine dask: {timeout!r} is no number of seconds")
        )
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


def _check_address(settings: dict[str, Any]) -> None:
    """Raise UserError for a scheduler's address that is none."""
    if "scheduler" not in settings:
        return
    try:
        address = urlsplit(settings["scheduler"])
        whole = address.scheme in ("tcp", "tls") and address.hostname and address.port
    except ValueError:
        whole = False
    if not whole:
        raise UserError(
            f"scheduler of engine dask: {settings['scheduler']!r} is no address: write tcp://HOST:PORT or tls://HOST:PORT"
        )


def _check_tls(settings: dict[str, Any]) -> None:
    """Raise UserError for settings of TLS that do not go together, or a file that is not there."""
    given = [name for name in TLS if name in settings]
    encrypted = settings.get("scheduler", "").startswith("tls://")
    if given and not encrypted:
        raise UserError(
            f"{given[0]} of engine dask is of use with a scheduler=tls://HOST:PORT only"
        )
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
    """See :class:`.Engine`; `workers` is how many calls are at work at once.

    Settings:
        scheduler: its address, tcp://HOST:PORT or tls://HOST:PORT; if it is left out,
            workers of one thread are started here, and a scheduler that only this
            machine can reach.
        resource: what a run takes one of, such as GPU where workers were started with
            `--resources GPU=1`.
        timeout: seconds to wait for the scheduler, 30 if it is left out.
        tls_ca_file, tls_cert, tls_key: files in PEM format, for a scheduler with TLS;
            if they are left out, those that Dask's own configuration names. The key may
            be in the file of the certificate.

    Dask blames a worker's death on every call that the worker had, and gives up those
    that it has blamed too often. Such a call is done again, after all others and alone;
    if its workers still die, it is the cause and fails.

    Raises:
        UserError: no scheduler answers. Each call raises it too where the scheduler is
            lost.
    """
    check_dask(settings)
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        address = settings.get("scheduler")
        if address is None:
            address = stack.enter_context(_cluster_here(workers or cores()))
        client = stack.enter_context(_connected(address, settings))
        desk = _Desk(client, workers, start, settings)
        stack.callback(desk.close)
        yield desk.submit


@contextmanager
def _cluster_here(workers: int) -> Iterator[str]:
    """Start a scheduler in this process, and workers that ignore Ctrl-C; yield the scheduler's address.

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
    patience = dask.config.set(
        {"distributed.scheduler.allowed-failures": MOST_DEATHS - 1}
    )
    start_helper_processes()
    others = set(active_children())
    with patience, ThreadPoolExecutor(1, initializer=block_terminal_signals) as thread:
        started = thread.submit(LocalCluster, **options)
        try:
            yield _address_of(started)
        finally:
            if not started.done():
                # Ctrl-C came first. A cluster closes only once it has started, and
                # without workers it does not start.
                for process in set(active_children()) - others:
                    process.kill()
            if started.exception() is None:
                started.result().close()


def _address_of(started: Future[Any]) -> str:
    try:
        return str(started.result().scheduler_address)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"cannot start Dask workers here: {error}; give fewer --workers"
        ) from error


@contextmanager
def _connected(address: str, settings: dict[str, Any]) -> Iterator[Client]:
    """Yield a client of a scheduler.

    Raises UserError if the scheduler does not answer.
    """
    from distributed import Client
    from distributed.security import Security

    files = {
        name: str(expand(Path(settings[name]))) for name in TLS if name in settings
    }
    security = None
    if files:
        security = Security(
            require_encryption=True,
            tls_ca_file=files["tls_ca_file"],
            tls_client_cert=files["tls_cert"],
            tls_client_key=files.get("tls_key"),
        )
    try:
        client = Client(
            address,
            timeout=settings.get("timeout", TIMEOUT),
            security=security,
            set_as_default=False,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address}: {error}; start one with 'dask scheduler'"
        ) from error
    with client:
        yield client


class _News(NamedTuple):
    """A new call; or a call that is done, with its future."""

    call: Call
    future: DaskFuture | None = None


class _Desk:
    """Hands calls to a cluster, as many at a time as its workers can do.

    One thread does it, the only one that uses the client. A queue brings it new calls
    and finished futures.
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
        self._counted = -math.inf
        self._news: SimpleQueue[_News | None] = SimpleQueue()
        self._waiting: deque[Call] = deque()
        self._suspects: deque[Call] = deque()
        self._at_work: dict[Call, DaskFuture] = {}
        self._alone = False
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, *function: Any) -> Future[Any]:
        """See :class:`.Engine`."""
        call = Call(Future(), function)
        self._news.put(_News(call))
        return call.future

    def close(self) -> None:
        """Drop what is not done."""
        self._news.put(None)
        self._thread.join(GRACE)
        for call in self._drop_calls():
            call.cancel()

    def _drop_calls(self) -> list[Call]:
        """Forget all calls that are not done, and return them."""
        dropped = [*self._at_work, *self._waiting, *self._suspects]
        self._at_work.clear()
        self._waiting.clear()
        self._suspects.clear()
        return dropped

    def _serve(self) -> None:
        heard = True
        while heard:
            try:
                heard = self._hear()
                if self._fault is None:
                    self._hand_over()
            except Exception as error:
                self._stop(self._explained(error))

    def _hear(self) -> bool:
        """Wait for news, and take in all there are; False when there will be no more."""
        with suppress(Empty):
            news = self._news.get(timeout=LOOK)
            while news is not None:
                self._take(news)
                news = self._news.get_nowait()
            return False
        return True

    def _take(self, news: _News) -> None:
        if self._fault is not None:
            news.call.fail(self._fault)
        elif news.future is None:
            self._waiting.append(news.call)
        else:
            self._collect(news.call, news.future)

    def _collect(self, call: Call, future: DaskFuture) -> None:
        """Give a call what came of it.

        Raises OSError if its future was lost with the scheduler.
        """
        from distributed import KilledWorker

        status = future.status
        if status == "cancelled":
            raise ConnectionError("the connection was lost")
        try:
            error = future.exception(FETCH)
            if error is None:
                call.settle(future.result(FETCH))
        except TimeoutError:
            # The worker has died since, and another does the call again.
            self._watch(call, future)
            return
        alone = self._alone
        self._alone = False
        if isinstance(error, KilledWorker):
            self._blame(call, error.allowed_failures + 1 if alone else 0)
        elif error is not None:
            line = f"a worker of the Dask cluster cannot do anything: {type(error).__name__}: {error}"
            raise UserError(f"{line}; install the same packages there")
        del self._at_work[call]

    def _blame(self, call: Call, deaths: int) -> None:
        """Note that so many workers certainly died of a call: it fails, or is done again alone."""
        call.deaths += deaths
        if call.deaths < MOST_DEATHS:
            self._suspects.append(call)
        else:
            call.fail(
                WorkerDied(
                    f"{call.deaths} workers died of it: killed, or out of memory"
                )
            )

    def _hand_over(self) -> None:
        """Hand over waiting calls while there are places; when none is left, those that may be deadly, one by one."""
        if self._alone:
            return
        while self._waiting and len(self._at_work) < self._count_places():
            self._give(self._waiting[0])
            self._waiting.popleft()
        if self._suspects and not self._waiting and not self._at_work:
            self._give(self._suspects[0])
            self._suspects.popleft()
            self._alone = True

    def _count_places(self) -> int:
        """Return how many calls the workers can do at a time, as last counted; one where there are no workers yet."""
        if self._workers is not None:
            return self._workers
        now = time.monotonic()
        if now - self._counted > LOOK:
            self._counted = now
            there = self._client.scheduler_info(n_workers=-1)["workers"].values()
            self._places = max(1, sum(map(self._places_of, there)))
        return self._places

    def _places_of(self, worker: dict[str, Any]) -> int:
        if self._resource is None:
            return int(worker["nthreads"])
        return int(worker["resources"].get(self._resource, 0))

    def _give(self, call: Call) -> None:
        """Hand a call to the cluster.

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
        self._at_work[call] = future
        self._watch(call, future)

    def _watch(self, call: Call, future: DaskFuture) -> None:
        future.add_done_callback(lambda done: self._news.put(_News(call, done)))

    def _explained(self, error: Exception) -> Exception:
        """Return the error that calls fail with where this thread meets one."""
        if isinstance(error, UserError):
            return error
        if isinstance(error, OSError) or self._client.status != "running":
            return UserError(
                f"the Dask scheduler at {self._address} is gone; what is done is kept: start a scheduler and workers, "
                "and run the command again"
            )
        return StartError(error)

    def _stop(self, fault: Exception) -> None:
        """Have every call fail, also those to come."""
        self._fault = fault
        for call in self._drop_calls():
            call.fail(fault)


@contextmanager
def _quiet() -> Iterator[None]:
    """Have Dask's libraries print nothing in this process within the block: our own errors say what to do."""
    import distributed  # noqa: F401 (it gives its loggers handlers)

    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in NOISY
    ]
    loggers = [logging.getLogger(name) for name in {*names, *NOISY}]
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
