"""Worker processes."""

import importlib
import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children

import pytest
import torch

from archselect.benchmarks.runtime import workers
from archselect.benchmarks.runtime.calls import MOST_DEATHS, StartError, WorkerDied
from archselect.benchmarks.runtime.process_settings import THREADS
from archselect.benchmarks.runtime.workers import worker_pool
from archselect.nasbench_adapters.errors import UserError

HANG = 600
"""Seconds after which a call is taken to hang; a worker on a loaded machine needs
minutes to start.
"""
masks = pytest.mark.skipif(
    not hasattr(signal, "pthread_sigmask"), reason="no signal masks here"
)


@masks
def test_every_worker_is_deaf_to_an_interrupt_and_the_parent_is_not():
    """Also the second one, which the pool starts only when the first is at work."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with worker_pool(2, os.getpid) as submit:
        busy = [submit(time.sleep, 0.5) for _ in range(2)]
        asked = [submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()) for _ in range(2)]
        assert all(signal.SIGINT in future.result() for future in asked)
        assert [future.result() for future in busy] == [None, None]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert signal.SIGINT not in before


@masks
def test_an_interrupt_while_a_worker_is_started_is_heard():
    with pytest.raises(KeyboardInterrupt), worker_pool(1, os.getpid) as submit:
        submit(time.sleep, HANG)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(HANG)


def test_a_signal_before_the_thread_of_a_worker_starts_is_heard(monkeypatch):
    """And is not hidden by an error, for a thread that never started cannot be joined."""

    def interrupted(thread):
        raise KeyboardInterrupt

    monkeypatch.setattr(workers.threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), worker_pool(1, os.getpid) as submit:
        submit(os.getpid)


def test_workers_keep_to_their_threads():
    with worker_pool(1, os.getpid) as submit:
        assert submit(torch.get_num_threads).result() == THREADS


def test_what_has_not_started_is_dropped():
    with worker_pool(1, os.getpid) as submit:
        assert submit(os.getpid).result() != os.getpid()
        futures = [submit(time.sleep, 0.2) for _ in range(50)]
    assert any(future.cancelled() for future in futures)


@pytest.mark.parametrize("count", [1, 3])
def test_ten_thousand_calls_are_done(count):
    """A pipe that nobody reads holds 65,536 bytes: the workers stopped for ever after 2,731 calls."""
    with worker_pool(count, os.getpid) as submit:
        futures = [submit(abs, -number) for number in range(10_000)]
        assert [future.result(HANG) for future in futures] == list(range(10_000))


def test_large_arguments_and_results_pass():
    """Far more than a pipe holds, in both directions."""
    with worker_pool(1, os.getpid) as submit:
        assert len(submit(bytes.upper, bytes(2**25)).result(HANG)) == 2**25


def test_no_call_starts_no_worker():
    before = active_children()
    with worker_pool(5_000, os.getpid):
        assert active_children() == before


def test_far_more_workers_than_calls_are_no_burden():
    with worker_pool(5_000, os.getpid) as submit:
        futures = [submit(abs, -number) for number in range(2)]
        assert [future.result(HANG) for future in futures] == [0, 1]


killing = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")

CALLS = """
import os, signal, time
def stay(begun, seconds):
    with begun.open("a") as file:
        file.write("x")
    time.sleep(seconds)
def die_once_beside_a_child(flag):
    # The child has the worker's end of the pipe, too.
    if not flag.exists() and os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    return die_once(flag)
def refuse(kind, text):
    raise kind(text)
def die_once(flag):
    if not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"
def gpu_seen(folder):
    # Wait until both workers are at work: one alone would take all calls.
    gpu = os.environ["CUDA_VISIBLE_DEVICES"]
    (folder / gpu).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.05)
    return gpu
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Functions that workers can import."""
    (tmp_path / "calls_of_workers.py").write_text(CALLS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("calls_of_workers")


@killing
def test_a_call_whose_worker_is_killed_is_done_again(tmp_path, calls):
    """No other is: neither the one that was at work beside it, nor those that waited."""
    with worker_pool(2, os.getpid) as submit:
        beside = submit(calls.stay, tmp_path / "beside", 1.0)
        killed = submit(calls.die_once, tmp_path / "killed")
        waiting = [submit(pow, 2, k) for k in range(5)]
        assert killed.result(HANG) == "done"
        assert beside.result(HANG) is None
        assert (tmp_path / "beside").read_text() == "x"
        assert [future.result(HANG) for future in waiting] == [1, 2, 4, 8, 16]
        assert submit(pow, 2, 5).result(HANG) == 32


@killing
def test_a_call_that_kills_every_worker_fails_and_the_others_do_not():
    with worker_pool(1, os.getpid) as submit:
        others = [submit(pow, 2, k) for k in range(3)]
        deadly = submit(signal.raise_signal, signal.SIGKILL)
        others += [submit(pow, 2, k) for k in range(3, 6)]
        with pytest.raises(
            WorkerDied,
            match="3 workers died during this call: killed, or out of memory",
        ):
            deadly.result(HANG)
        assert [future.result(HANG) for future in others] == [1, 2, 4, 8, 16, 32]


@killing
def test_a_worker_that_dies_without_a_call_is_replaced_and_no_call_to_blame(
    tmp_path, calls
):
    """However often: each call here is begun once."""
    with worker_pool(1, os.getpid) as submit:
        for number in range(MOST_DEATHS):
            os.kill(submit(os.getpid).result(HANG), signal.SIGKILL)
            submit(calls.stay, tmp_path / f"{number}", 0).result(HANG)
            assert (tmp_path / f"{number}").read_text() == "x"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_dead_worker_whose_child_keeps_its_pipe_open_is_seen(tmp_path, calls):
    with worker_pool(1, os.getpid) as submit:
        assert (
            submit(calls.die_once_beside_a_child, tmp_path / "killed").result(HANG)
            == "done"
        )


@killing
def test_workers_that_die_at_their_start_are_not_started_for_ever():
    """No call is to blame, so that all are left, in one line."""
    with worker_pool(1, signal.raise_signal, signal.SIGKILL) as submit:
        futures = [submit(pow, 2, k) for k in range(3)]
        message = "3 workers in a row died before they began a call: killed, or out of memory. Rerun"
        for future in futures:
            with pytest.raises(UserError, match=message):
                future.result(HANG)


@pytest.mark.parametrize(
    ("raised", "told", "message"),
    [
        (UserError, UserError, "^fix it"),
        (ImportError, StartError, "^a worker cannot start: ImportError: fix it"),
    ],
)
def test_what_the_start_of_a_worker_raises_is_told_to_all_calls(
    calls, raised, told, message
):
    with worker_pool(1, calls.refuse, raised, "fix it") as submit:
        for future in [submit(pow, 2, 2), submit(pow, 2, 3)]:
            with pytest.raises(told, match=message):
                future.result(HANG)
        with pytest.raises(told, match=message):
            submit(pow, 2, 4).result(HANG)


def test_a_block_that_raises_waits_for_no_call(tmp_path, calls):
    """As where the disk is full: nobody would take the results."""
    begun = tmp_path / "begun"
    with pytest.raises(UserError), worker_pool(1, os.getpid) as submit:
        future = submit(calls.stay, begun, HANG)
        while not begun.exists():
            time.sleep(0.02)
        raise UserError("the disk is full")
    assert future.cancelled()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed, or out of memory"),
        (None, "killed, or out of memory"),
        (-11, "ended by SIGSEGV"),
        (3, "ended with exit code 3"),
        (0, "ended with exit code 0"),
    ],
)
@killing
def test_how_a_worker_ended_is_told(code, words):
    assert workers._ending(code) == words


def test_each_worker_sees_one_gpu(calls, monkeypatch, tmp_path):
    """By turns, before it asks CUDA."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    folder = tmp_path / "seen"
    folder.mkdir()
    with worker_pool(2, os.getpid, gpus=["4", "7"]) as submit:
        seen = [submit(calls.gpu_seen, folder) for _ in range(2)]
        assert {future.result(HANG) for future in seen} == {"4", "7"}
    with worker_pool(1, os.getpid) as submit:
        assert submit(os.getenv, "CUDA_VISIBLE_DEVICES").result(HANG) is None


def test_workers_have_the_environment_of_their_pool(monkeypatch):
    """Though they are forked from a process that is older than a change."""
    for value in ("first", "second"):
        monkeypatch.setenv("ARCHSELECT_TEST_OF_WORKERS", value)
        with worker_pool(1, os.getpid) as submit:
            assert submit(os.getenv, "ARCHSELECT_TEST_OF_WORKERS").result(HANG) == value
    monkeypatch.delenv("ARCHSELECT_TEST_OF_WORKERS")
    with worker_pool(1, os.getpid) as submit:
        assert submit(os.getenv, "ARCHSELECT_TEST_OF_WORKERS").result(HANG) is None


@pytest.mark.slow
def test_workers_import_no_file_that_lies_beside_the_study(tmp_path):
    """As the command itself does not: it is an installed script."""
    for name in ("torch.py", "numpy.py", "archselect.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong file is imported')\n")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "import os\n"
        "from archselect.benchmarks.runtime.workers import worker_pool\n"
        "if __name__ == '__main__':\n"
        "    with worker_pool(2, print) as submit:\n"
        "        print(submit(os.getpid).result() != os.getpid())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("True\n")
