"""The engine `dask`: who is blamed for dead workers, a scheduler that is lost, who can reach it."""

import importlib
import os
import pickle
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from archselect.benchmarks.engines import dask
from archselect.benchmarks.engines.registry import get_engine
from archselect.benchmarks.runtime.calls import (
    MOST_DEATHS,
    StartError,
    WorkerDied,
    perform,
)
from archselect.nasbench_adapters.errors import UserError

distributed = pytest.importorskip("distributed")

HANG = 600
"""Seconds after which a call is taken to hang."""
START = (int, ())
CALLS = """
import os, signal, time
def stay_once(begun, seconds):
    if not begun.exists():
        begun.touch()
        time.sleep(seconds)
    return "done"
def die_beside(begun):
    while not begun.exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)
"""


class Promise:
    """A future of Dask's that ends as the test says."""

    def __init__(self, content):
        self.status = "pending"
        self._content = content
        self._error = None

    def add_done_callback(self, function):
        self._function = function

    def exception(self, timeout):
        return self._error

    def result(self, timeout):
        return perform(self._content)

    def end(self, status="finished", error=None):
        self.status = status
        self._error = error
        self._function(self)


class Cluster:
    """What the engine asks of a client, with workers that do nothing by themselves."""

    def __init__(self, workers=()):
        self.status = "running"
        self.handed = []
        self._workers = workers

    def scheduler_info(self, n_workers):
        assert n_workers == -1
        return {"workers": dict(enumerate(self._workers))}

    def submit(self, function, content, **options):
        if self.status != "running":
            raise OSError("nobody there")
        self.handed.append(Promise(content))
        return self.handed[-1]

    def promise(self, number):
        """Wait for the call of that number to be handed over, counted from 0, and return its promise."""
        while len(self.handed) <= number:
            time.sleep(0.01)
        return self.handed[number]


@pytest.fixture
def opened():
    """`opened(cluster, workers, settings)` is a dispatcher that hands calls to it."""
    dispatchers = []

    def make(cluster, workers=None, **settings):
        dispatchers.append(dask._Dispatcher(cluster, workers, START, settings))
        return dispatchers[-1]

    yield make
    for dispatcher in dispatchers:
        dispatcher.close()


def killed(failures):
    """What Dask raises in place of a call that it has blamed once more than it allows."""
    return distributed.KilledWorker(
        task="x", last_worker=None, allowed_failures=failures
    )


@pytest.mark.parametrize(
    ("there", "workers", "settings", "places"),
    [
        ([], None, {}, 1),
        ([{"nthreads": 1}, {"nthreads": 2}], None, {}, 3),
        (
            [
                {"nthreads": 4, "resources": {"GPU": 2.0}},
                {"nthreads": 4, "resources": {}},
            ],
            None,
            {"resource": "GPU"},
            2,
        ),
        ([{"nthreads": 1}], 5, {}, 5),
    ],
)
def test_as_many_calls_are_handed_over_as_there_are_places(
    opened, there, workers, settings, places
):
    cluster = Cluster(there)
    dispatcher = opened(cluster, workers, **settings)
    futures = [dispatcher.submit(abs, -number) for number in range(9)]
    for done, future in enumerate(futures):
        promise = cluster.promise(done)
        assert len(cluster.handed) <= done + places
        promise.end()
        assert future.result(HANG) == done


def test_a_call_that_is_blamed_in_company_is_done_again_alone(opened):
    """After all others, and only then it can be to blame."""
    cluster = Cluster()
    dispatcher = opened(cluster, 2)
    deadly, innocent, other = [dispatcher.submit(abs, -number) for number in range(3)]
    cluster.promise(0).end("error", killed(MOST_DEATHS))
    cluster.promise(1).end("error", killed(MOST_DEATHS))
    cluster.promise(2).end()
    assert other.result(HANG) == 2
    alone = cluster.promise(3)
    late = dispatcher.submit(abs, -3)
    time.sleep(0.1)
    assert len(cluster.handed) == 4
    alone.end("error", killed(MOST_DEATHS - 1))
    with pytest.raises(
        WorkerDied,
        match=f"^{MOST_DEATHS} workers died during this call: killed, or out of memory",
    ):
        deadly.result(HANG)
    cluster.promise(4).end()
    assert late.result(HANG) == 3
    cluster.promise(5).end()
    assert innocent.result(HANG) == 1


def test_a_call_fails_only_of_deaths_that_it_alone_can_have_caused(opened):
    """However few a scheduler allows."""
    cluster = Cluster()
    deadly = opened(cluster, 1).submit(abs, -1)
    for attempt in range(1 + MOST_DEATHS):
        assert not deadly.done()
        cluster.promise(attempt).end("error", killed(0))
    with pytest.raises(
        WorkerDied, match=f"^{MOST_DEATHS} workers died during this call"
    ):
        deadly.result(HANG)


GONE = "^the Dask scheduler at tcp://there:1 is gone. Finished work is kept: start a scheduler and workers, and rerun"


def test_every_call_fails_where_the_scheduler_is_lost(opened):
    """Those at work, those that wait and those to come, in one line."""
    cluster = Cluster()
    dispatcher = opened(cluster, 1, scheduler="tcp://there:1")
    futures = [dispatcher.submit(abs, -number) for number in range(3)]
    cluster.promise(0).end("cancelled")
    for future in [*futures, dispatcher.submit(abs, -3)]:
        with pytest.raises(UserError, match=GONE):
            future.result(HANG)


def test_a_call_is_not_handed_to_a_scheduler_that_is_lost(opened):
    cluster = Cluster()
    cluster.status = "connecting"
    with pytest.raises(UserError, match=GONE):
        opened(cluster, 1, scheduler="tcp://there:1").submit(abs, -1).result(HANG)


def test_a_cluster_that_cannot_do_anything_ends_the_command(opened):
    cluster = Cluster()
    future = opened(cluster, 1).submit(abs, -1)
    cluster.promise(0).end("error", ModuleNotFoundError("No module named 'archselect'"))
    with pytest.raises(
        UserError,
        match="cannot run calls: ModuleNotFoundError: No module named 'archselect': install",
    ):
        future.result(HANG)


def test_a_fault_of_the_engine_itself_is_not_one_of_the_scheduler(opened):
    cluster = Cluster([{}])
    with pytest.raises(StartError, match="KeyError: 'nthreads'"):
        opened(cluster).submit(abs, -1).result(HANG)


def test_a_call_that_cannot_be_pickled_fails_alone(opened):
    cluster = Cluster()
    dispatcher = opened(cluster, 1)
    wrong, right = dispatcher.submit(lambda: None), dispatcher.submit(abs, -1)
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        wrong.result(HANG)
    cluster.promise(0).end()
    assert right.result(HANG) == 1


def test_what_is_not_done_by_the_end_is_dropped(opened):
    cluster = Cluster()
    dispatcher = opened(cluster, 1)
    futures = [dispatcher.submit(abs, -number) for number in range(3)]
    cluster.promise(0)
    dispatcher.close()
    assert all(future.cancelled() for future in futures)


ADDRESS = "tcp://127.0.0.1:9"
TLS = "tls://127.0.0.1:9"
WRONG = {
    "number": ({"scheduler": 8786}, "scheduler of engine dask: 8786 is not a text"),
    "empty": ({"scheduler": ""}, "scheduler of engine dask: '' is not a text"),
    "no scheme": (
        {"scheduler": "127.0.0.1:9"},
        "is not an address: write tcp://HOST:PORT or tls://HOST:PORT",
    ),
    "no port": ({"scheduler": "tcp://127.0.0.1"}, "is not an address"),
    "no number": ({"scheduler": "tcp://127.0.0.1:port"}, "is not an address"),
    "large port": ({"scheduler": "tcp://127.0.0.1:99999"}, "is not an address"),
    "other scheme": ({"scheduler": "http://127.0.0.1:9"}, "is not an address"),
    "never": ({"timeout": 0}, "timeout of engine dask: 0 is not a number of seconds"),
    "for ever": (
        {"timeout": float("inf")},
        "timeout of engine dask: inf is not a number of seconds",
    ),
    "truth value": (
        {"timeout": True},
        "timeout of engine dask: True is not a number of seconds",
    ),
    "plain": (
        {"scheduler": ADDRESS, "tls_cert": "x"},
        "tls_cert of engine dask needs scheduler=tls://HOST",
    ),
    "here": (
        {"tls_key": "x"},
        "tls_key of engine dask needs scheduler=tls://HOST",
    ),
    "no files": (
        {"scheduler": TLS},
        "engine dask needs tls_ca_file and tls_cert for a scheduler at tls://",
    ),
    "no authority": (
        {"scheduler": TLS, "tls_cert": "x"},
        "engine dask needs tls_ca_file for a scheduler at tls://",
    ),
    "lost": (
        {"scheduler": TLS, "tls_ca_file": "x", "tls_cert": "x"},
        "tls_ca_file of engine dask: there is no file x",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_cannot_be_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings, message = WRONG[name]
    with pytest.raises(UserError, match=re.escape(message)):
        dask.check_dask(settings)


@pytest.mark.parametrize(
    "address", ["tcp://node-1:8786", "tcp://[::1]:8786", "tcp://10.0.0.1:1"]
)
def test_addresses_are_accepted(address):
    dask.check_dask({"scheduler": address})


def hosts(*pids):
    """The addresses on which these processes and their children listen."""
    found = set()
    for pid in pids:
        process = psutil.Process(pid)
        for own in (process, *process.children(recursive=True)):
            # Older versions have another name for it.
            connections = (
                own.net_connections
                if hasattr(own, "net_connections")
                else own.connections
            )
            found |= {
                connection.laddr.ip
                for connection in connections("inet")
                if connection.status == "LISTEN"
            }
    return found


@pytest.mark.slow
def test_workers_of_this_machine_are_reached_from_this_machine_only():
    with get_engine("dask")(1, "cpu", START, {}) as submit:
        assert submit(abs, -1).result(HANG) == 1
        assert hosts(os.getpid()) == {"127.0.0.1"}


@pytest.mark.slow
def test_the_documented_commands_are_reached_from_this_machine_only(dask_cluster):
    """Once they have done something, and so stand."""
    with get_engine("dask")(
        None, "cpu", START, {"scheduler": dask_cluster.address}
    ) as submit:
        assert submit(abs, -1).result(HANG) == 1
    processes = [dask_cluster.scheduler, *dask_cluster.workers]
    assert hosts(*[process.pid for process in processes]) == {"127.0.0.1"}


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Functions that workers can import."""
    (tmp_path / "calls_on_dask.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return importlib.import_module("calls_on_dask")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_call_in_the_very_process_of_a_deadly_one_does_not_fail(
    start_dask, calls, tmp_path, monkeypatch
):
    """A worker of two threads, and a scheduler that gives up a call at the first death."""
    monkeypatch.setattr(dask, "MOST_DEATHS", 1)
    begun = tmp_path / "begun"
    environment = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    cluster = start_dask("--nthreads", "2", workers=1, environment=environment)
    with get_engine("dask")(2, "cpu", START, {"scheduler": cluster.address}) as submit:
        deadly = submit(calls.die_beside, begun)
        beside = submit(calls.stay_once, begun, HANG)
        assert beside.result(HANG) == "done"
        with pytest.raises(WorkerDied):
            deadly.result(HANG)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_a_scheduler_with_tls(start_dask, tmp_path, capfd):
    """It answers who has a certificate of its authority."""
    certificate = tmp_path / "certificate.pem"
    key = tmp_path / "key.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=archselect",
    ]
    subprocess.run(
        [*request, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    options = (
        "--tls-ca-file",
        certificate,
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
    )
    cluster = start_dask(*options, workers=1, scheduler=options, scheme="tls")
    files = {
        "tls_ca_file": str(certificate),
        "tls_cert": str(certificate),
        "tls_key": str(key),
    }
    with get_engine("dask")(
        None, "cpu", START, {"scheduler": cluster.address, **files}
    ) as submit:
        assert submit(abs, -1).result(HANG) == 1
    capfd.readouterr()
    plain = {"scheduler": cluster.address.replace("tls:", "tcp:"), "timeout": 2}
    with pytest.raises(UserError, match="no Dask scheduler answers"):
        get_engine("dask")(None, "cpu", START, plain).__enter__()
    assert capfd.readouterr() == ("", "")
