"""Slurm's programs fail, hang, lie and refuse: no run fails for it, no job is forgotten, each fault is told once."""

import os
import pickle
import signal
import socket
import threading
import time
from concurrent.futures import wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from support import fake_slurm

from archselect.benchmarks.cli.signals import EndSignal, ended_by_signals
from archselect.benchmarks.engines import base
from archselect.benchmarks.engines.slurm import (
    engine,
    job,
    ledger,
    notices,
    programs,
    queue,
    submitter,
    watch,
)
from archselect.benchmarks.engines.slurm.engine import check_slurm, slurm_engine
from archselect.benchmarks.engines.slurm.folder import ExchangeFolder
from archselect.benchmarks.engines.slurm.options import read_options
from archselect.benchmarks.engines.slurm.pace import Pace
from archselect.benchmarks.runs import worker
from archselect.nasbench_adapters.errors import Notice, UserError

HANG = 600
START = (int, ())
FAST = {
    "poll": 0.01,
    "look": 0.05,
    "call": 20.0,
    "linger": 0.5,
    "full": 0.05,
    "grace": 0.2,
    "patience": 600.0,
    "cancel": 60.0,
}
pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="Slurm runs on Linux"),
    pytest.mark.usefixtures("process_settings_restored"),
    pytest.mark.filterwarnings("always::archselect.nasbench_adapters.errors.Notice"),
]


def wait_until(condition, what):
    """Wait for a condition."""
    deadline = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


class Cluster:
    """The fake Slurm, whose jobs run here, in this process."""

    def __init__(self, fake):
        self.fake = fake
        self.hanged = []

    def run(self, id):
        """Run a job to its end."""
        values = self.fake.jobs()[id]
        job.run(Path(values["place"]), values["array"], values["number"], late=0)
        self.fake.change(id, state="COMPLETED")

    def wait_for(self, count):
        """Wait until Slurm has been given jobs, and return the ids of those that wait or run."""
        wait_until(lambda: len(self.fake.jobs()) >= count, f"there are {count} jobs")
        return [
            id
            for id, job in self.fake.jobs().items()
            if job["state"] in ("PENDING", "RUNNING")
        ]

    def let_hang(self, program, times, clock):
        """Wait until a program hangs, and let the time pass that it may take, some times over."""
        for _ in range(times):
            seen = len(self.hanged)
            calls = partial(self.fake.calls, f"{program} hangs")
            wait_until(
                lambda seen=seen, calls=calls: calls()[seen:], f"{program} hangs"
            )
            self.hanged.append(program)
            clock.skip(FAST["call"])

    def go_wrong(self, program, how, times, clock):
        """Wait until a program went wrong some times."""
        if how == "hang":
            self.let_hang(program, times, clock)
        else:
            self.wait_for_calls(program, times)

    def mend(self, program, how, clock):
        """Have a program answer from now on."""
        if how == "hang":
            seen = len(self.hanged)
            calls = partial(self.fake.calls, f"{program} hangs")
            wait_until(
                lambda seen=seen, calls=calls: calls()[seen:], f"{program} hangs"
            )
        self.fake.fault(program, None)
        if how == "hang":
            self.let_hang(program, 1, clock)

    def wait_for_calls(self, program, more):
        """Wait until a program was called some more times."""
        before = len(self.fake.calls(program))
        wait_until(
            lambda: len(self.fake.calls(program)) >= before + more,
            f"{program} is called",
        )

    @contextmanager
    def running(self):
        """Within the block, run every job that waits."""
        ended = threading.Event()

        def run():
            while not ended.wait(0.01):
                for id, values in self.fake.jobs().items():
                    if values["state"] == "PENDING":
                        self.run(id)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class Clock:
    """Time that the test makes pass."""

    def __init__(self):
        self._ahead = 0.0

    def __call__(self):
        return time.monotonic() + self._ahead

    def skip(self, seconds):
        """Let time pass."""
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch):
    """The engine's clock."""
    clock = Clock()
    for module in (ledger, notices, programs, queue, submitter, watch):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


@pytest.fixture
def cluster(tmp_path, monkeypatch, recwarn):
    """A fake Slurm in place of a real one, which is asked often."""
    fake = fake_slurm.FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", str(fake.install()))
    monkeypatch.setattr(engine, "PACE", Pace(**FAST))
    return Cluster(fake)


@pytest.fixture
def opened(cluster, tmp_path):
    """`opened(**settings)` opens the engine, with its files in the folder `jobs`."""

    def open_engine(workers=None, **settings):
        return slurm_engine(
            workers, "cpu", START, {"folder": str(tmp_path / "jobs"), **settings}
        )

    return open_engine


@pytest.fixture
def pace(monkeypatch):
    """`pace(**times)` changes some of the times."""
    return lambda **times: monkeypatch.setattr(engine, "PACE", Pace(**FAST | times))


def told(notices):
    """Return what the user was told."""
    return [
        str(notice.message) for notice in notices if issubclass(notice.category, Notice)
    ]


def results(futures):
    """Return the results of calls."""
    return [future.result(timeout=HANG) for future in futures]


def is_alive(pid):
    """Return whether a process runs; one that has ended may still be in the table."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


# Slurm does not answer.


FAULTS = {
    "fail": "Unable to contact slurm controller",
    "hang": "squeue hangs",
    "garbage": "squeue shows something else than jobs: '<html>",
}


@pytest.mark.parametrize("how", FAULTS)
def test_squeue_goes_wrong_for_a_while(cluster, opened, pace, clock, recwarn, how):
    """Results are read meanwhile, and jobs that run on are not lost, though the fault lasts longer than any grace."""
    pace(patience=6000.0)
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(3)]
        first, *others = cluster.wait_for(3)
        cluster.wait_for_calls("squeue", 1)
        cluster.fake.fault("squeue", how)
        cluster.wait_for_calls("squeue", 1)
        cluster.run(first)
        done, _ = wait(futures, HANG, "FIRST_COMPLETED")
        assert results(done) == [0]
        cluster.go_wrong("squeue", how, 3, clock)
        cluster.mend("squeue", how, clock)
        cluster.wait_for_calls("squeue", 3)
        for id in others:
            cluster.run(id)
        assert results(futures) == [0, 1, 4]
    for _, sleeping in cluster.fake.calls("squeue hangs"):
        wait_until(
            lambda pid=int(sleeping): not is_alive(pid), "what squeue started has ended"
        )
    failing, mended = told(recwarn)
    assert FAULTS[how] in failing and failing.endswith(
        "; jobs continue, and archselect tries again for 100 minutes"
    )
    assert mended == "squeue answers again"
    assert cluster.fake.calls("scancel") == []


def test_the_command_line_tells_each_fault_in_one_line(
    cluster, archselect, write_quick, finished, monkeypatch
):
    monkeypatch.setattr(worker, "_worker", None)
    monkeypatch.setattr(base, "_started", None)
    cluster.fake.fault("squeue", "fail")
    with cluster.running():
        code, out, err = archselect(
            "run",
            write_quick(),
            "--out",
            "other",
            "--device",
            "cpu",
            "--engine",
            "slurm",
        )
    fault = "squeue: error: Unable to contact slurm controller (connect failure)"
    assert (code, err) == (
        0,
        f"archselect: {fault}; jobs continue, and archselect tries again for 10 minutes\n",
    )
    assert f"{len(list(finished.glob('records/*.json')))} runs made, 0 kept" in out


def test_an_empty_answer_of_squeue_loses_no_job_that_the_accounting_has(
    cluster, opened
):
    with opened() as submit:
        future = submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        cluster.fake.change(id, state="RUNNING")
        cluster.fake.fault("squeue", "empty")
        wait_until(
            lambda: len(cluster.fake.calls("sacct")) >= 3, "the accounting is asked"
        )
        assert not future.done()
        cluster.run(id)
        assert future.result(timeout=HANG) == 9


def test_jobs_are_cancelled_when_squeue_is_given_up(cluster, opened, pace, recwarn):
    pace(patience=0.3)
    cluster.fake.fault("squeue", "fail")
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(2)]
        for future in futures:
            with pytest.raises(
                UserError,
                match=r"Slurm has not answered for 0.005 minutes .* The jobs are cancelled",
            ):
                future.result(timeout=HANG)
        with pytest.raises(UserError, match="has not answered"):
            submit(pow, 3, 2).result(timeout=HANG)
    assert {job["state"] for job in cluster.fake.jobs().values()} == {"CANCELLED"}
    assert len(cluster.fake.calls("scancel")) == 1
    assert len(told(recwarn)) == 1


def test_results_put_off_giving_up(cluster, opened, clock):
    """As long as jobs give results, a broken squeue is no reason to stop."""
    cluster.fake.fault("squeue", "fail")
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(4)]
        for number, id in enumerate(cluster.wait_for(4)):
            cluster.wait_for_calls("squeue", 2)
            clock.skip(0.6 * FAST["patience"])
            cluster.run(id)
            assert futures[number].result(timeout=HANG) == number**2


# sbatch refuses, or does not answer.


POLICY = (
    "Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)"
)
REFUSALS = [
    "invalid partition specified: bad\nsbatch: error: Batch job submission failed: Invalid partition name specified",
    "Batch job submission failed: Invalid account or account/partition combination specified",
    "Batch job submission failed: Requested node configuration is not available",
    f"QOSMaxWallDurationPerJobLimit\nsbatch: error: {POLICY}",
    POLICY,
]


@pytest.mark.parametrize("words", REFUSALS)
def test_a_refusal_for_good_stops_the_command_at_once(cluster, opened, recwarn, words):
    cluster.fake.fault("sbatch", "fail", f"sbatch: error: {words}")
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(3)]
        for future in futures:
            with pytest.raises(UserError) as error:
                future.result(timeout=HANG)
            assert words.splitlines()[-1] in str(error.value)
            assert str(error.value).endswith(
                "change settings with --engine-set NAME=VALUE"
            )
    assert told(recwarn) == []
    assert cluster.fake.calls("scancel") == []
    # These words alone may be said of a limit on jobs: a single job tells.
    assert len(cluster.fake.calls("sbatch")) == 1 or words == POLICY


def test_an_unknown_option_is_told_in_the_words_of_sbatch(cluster, opened):
    cluster.fake.fault(
        "sbatch",
        "fail",
        "sbatch: unrecognized option '--foo=1'\nTry \"sbatch --help\" for more information",
    )
    with (
        opened(foo=1) as submit,
        pytest.raises(UserError, match="unrecognized option '--foo=1'"),
    ):
        submit(pow, 3, 2).result(timeout=HANG)


def test_a_refusal_fails_only_what_was_refused(cluster, opened):
    with opened() as submit:
        first = [submit(pow, k, 2) for k in range(2)]
        ids = cluster.wait_for(2)
        cluster.fake.fault("sbatch", "fail", f"sbatch: error: {REFUSALS[1]}")
        second = submit(pow, 5, 2)
        with pytest.raises(
            RuntimeError, match=r"Slurm refuses the job: .*Invalid account"
        ):
            second.result(timeout=HANG)
        cluster.fake.fault("sbatch", None)
        third = submit(pow, 6, 2)
        cluster.wait_for(3)
        cluster.run("102")
        for id in ids:
            cluster.run(id)
        assert results([*first, third]) == [0, 1, 36]
    assert cluster.fake.calls("scancel") == []


def test_a_limit_on_jobs_makes_calls_wait(cluster, opened, recwarn):
    cluster.fake.settings(jobs=3)
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(10)]
        assert len(cluster.wait_for(3)) == 3
        cluster.wait_for_calls("sbatch", 3)
        assert not any(future.done() for future in futures)
        with cluster.running():
            assert results(futures) == [k**2 for k in range(10)]
    (line,) = told(recwarn)
    assert (
        "Slurm accepts no more jobs for now" in line
        and "QOSMaxSubmitJobPerUserLimit" in line
    )
    assert len(cluster.fake.jobs()) == 10


LIMITS = [
    f"AssocMaxSubmitJobLimit\nsbatch: error: {POLICY}",
    f"AssocGrpSubmitJobsLimit\nsbatch: error: {POLICY}",
    "Slurm temporarily unable to accept job, sleeping and retrying",
    "Batch job submission failed: Resource temporarily unavailable",
    POLICY,
]


@pytest.mark.parametrize("words", LIMITS)
def test_limits_in_other_words(cluster, opened, recwarn, words):
    with opened() as submit:
        first = submit(pow, 2, 2)
        cluster.wait_for(1)
        cluster.fake.fault("sbatch", "fail", f"sbatch: error: {words}")
        second = submit(pow, 3, 2)
        cluster.wait_for_calls("sbatch", 3)
        cluster.fake.fault("sbatch", None)
        cluster.wait_for(2)
        with cluster.running():
            assert results([first, second]) == [4, 9]
    (line,) = told(recwarn)
    assert line.startswith("Slurm accepts no more jobs for now (sbatch: error: ")


def test_a_limit_that_other_jobs_of_the_user_reach_is_waited_for(cluster, opened):
    cluster.fake.settings(jobs=0)
    with opened() as submit:
        future = submit(pow, 3, 2)
        cluster.wait_for_calls("sbatch", 3)
        cluster.fake.settings()
        with cluster.running():
            assert future.result(timeout=HANG) == 9


@pytest.mark.parametrize(("largest", "lengths"), [(5, {5, 2}), (1, {1}), (0, {1})])
def test_arrays_are_as_long_as_slurm_allows(cluster, opened, largest, lengths):
    """Slurm says so; where it does not, shorter ones are tried.

    0 is a Slurm without arrays.
    """
    cluster.fake.settings(array=largest)
    with opened() as submit, cluster.running():
        assert results([submit(pow, k, 2) for k in range(12)]) == [
            k**2 for k in range(12)
        ]
    arrays = [id.partition("_")[0] for id in cluster.fake.jobs()]
    assert {arrays.count(id) for id in arrays} <= lengths | set(range(1, largest + 1))
    assert max(arrays.count(id) for id in arrays) == max(largest, 1)


def test_shorter_arrays_are_tried_where_slurm_does_not_tell_its_limit(cluster, opened):
    cluster.fake.settings(array=5)
    cluster.fake.fault("scontrol", "fail")
    with opened() as submit, cluster.running():
        assert results([submit(pow, k, 2) for k in range(12)]) == [
            k**2 for k in range(12)
        ]


@pytest.mark.parametrize("how", ["fail", "hang", "garbage"])
def test_sbatch_goes_wrong_for_a_while(cluster, opened, clock, recwarn, how):
    cluster.fake.fault("sbatch", how)
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(3)]
        cluster.go_wrong("sbatch", how, 2, clock)
        cluster.mend("sbatch", how, clock)
        with cluster.running():
            assert results(futures) == [0, 1, 4]
    assert told(recwarn)[-1] == "sbatch answers again"
    assert len(told(recwarn)) == 2


@pytest.mark.parametrize("how", ["accept and hang", "accept and fail"])
def test_jobs_that_slurm_has_though_sbatch_failed_are_found(
    cluster, opened, clock, how
):
    """They are not submitted twice."""
    cluster.fake.fault("sbatch", how)
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(3)]
        cluster.wait_for(3)
        if how == "accept and hang":
            clock.skip(FAST["call"])
        cluster.wait_for_calls("squeue", 2)
        cluster.fake.fault("sbatch", None)
        with cluster.running():
            assert results(futures) == [0, 1, 4]
    assert len(cluster.fake.jobs()) == 3


def test_others_are_submitted_after_jobs_that_were_done_before_they_were_found(
    cluster, opened, pace
):
    """Nothing is left to ask Slurm about, but whether it has that array."""
    pace(look=3.0)
    cluster.fake.fault("sbatch", "accept and fail")
    with opened() as submit, cluster.running():
        assert submit(pow, 3, 2).result(timeout=HANG) == 9
        cluster.fake.fault("sbatch", None)
        assert submit(pow, 4, 2).result(timeout=HANG) == 16


def test_a_job_that_appears_late_is_cancelled(cluster, opened):
    """Slurm has it, but only after it was submitted again."""
    with opened() as submit:
        future = submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        job = cluster.fake.jobs()[id]
        fake_slurm.write(
            cluster.fake.folder / "jobs" / "7",
            job | {"name": job["name"][:-1] + "77", "array": "77"},
        )
        wait_until(
            lambda: cluster.fake.jobs()["7"]["state"] == "CANCELLED",
            "the stray is cancelled",
        )
        cluster.run("7")  # finds nothing to do
        assert not future.done()
        cluster.run(id)
        assert future.result(timeout=HANG) == 9
    assert cluster.fake.calls("scancel") == [["scancel", "7"]]


@pytest.mark.parametrize("accepted", [False, True])
def test_calls_fail_when_sbatch_is_given_up(cluster, opened, pace, accepted):
    pace(patience=0.3, grace=0.1)
    with opened() as submit:
        if accepted:
            first = submit(pow, 3, 2)
            (id,) = cluster.wait_for(1)
        cluster.fake.fault("sbatch", "fail")
        with pytest.raises(
            RuntimeError if accepted else UserError,
            match=r"sbatch has not answered for 0.005 minutes",
        ):
            submit(pow, 4, 2).result(timeout=HANG)
        if accepted:
            cluster.run(id)
            assert first.result(timeout=HANG) == 9


# Jobs end without a result.


ENDINGS = {
    "TIMEOUT": r"reached its time limit: set more with --engine-set time=MINUTES \(TIMEOUT\)",
    "OUT_OF_MEMORY": "ran out of memory: set more with --engine-set mem=SIZE",
    "CANCELLED": r"was cancelled: rerun the command \(CANCELLED\)",
    "FAILED": r"failed \(FAILED\)",
    "COMPLETED": r"ended without a result \(COMPLETED\)",
    "DEADLINE": "ended because its deadline passed",
}


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        *((state, "squeue") for state in ENDINGS),
        ("TIMEOUT", "sacct"),
        ("CANCELLED", "sacct"),
    ],
)
def test_how_a_job_ended_is_told_with_the_mend(cluster, opened, state, shown):
    with opened() as submit:
        futures = [submit(pow, 3, 2), submit(pow, 4, 2)]
        first, second = cluster.wait_for(2)
        log = Path(cluster.fake.jobs()[first]["options"]["output"].replace("%a", "0"))
        log.write_text("said before\n")
        cluster.fake.change(first, state=state, shown=[shown])
        with pytest.raises(
            RuntimeError, match=f"Slurm job {first} {ENDINGS[state]}"
        ) as error:
            futures[0].result(timeout=HANG)
        assert str(error.value).endswith(f"its log: {log}\nsaid before")
        cluster.run(second)
        assert futures[1].result(timeout=HANG) == 16
    assert log.is_file()


@pytest.mark.parametrize("program", ["squeue", "sbatch", "scontrol", "sacct"])
def test_a_program_that_cannot_be_started_is_one_that_fails(cluster, opened, program):
    path = cluster.fake.folder / "bin" / program
    whole = path.read_text()
    path.write_text("#!/no/such/shell\n")
    with opened() as submit:
        future = submit(pow, 3, 2)
        time.sleep(3 * FAST["look"])
        path.write_text(whole)
        (id,) = cluster.wait_for(1)
        cluster.run(id)
        assert future.result(timeout=HANG) == 9


@pytest.mark.parametrize("accounting", ["missing", "disabled", "fail"])
def test_a_job_that_nobody_knows_any_more_is_lost(cluster, opened, pace, accounting):
    """It is cancelled at the end in case it runs all the same."""
    if accounting == "missing":
        (cluster.fake.folder / "bin" / "sacct").unlink()
    elif accounting == "disabled":
        cluster.fake.fault("sacct", "fail", "Slurm accounting storage is disabled")
    else:
        pace(patience=1.0)
        cluster.fake.fault("sacct", "fail")
    with opened() as submit:
        future = submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        cluster.fake.remove(id)
        with pytest.raises(
            RuntimeError, match=f"Slurm job {id} ended without a result; it left no log"
        ):
            future.result(timeout=HANG)
    assert cluster.fake.calls("scancel") == [["scancel", id]]


def test_jobs_that_were_cancelled_before_they_started_are_shown_as_one(cluster, opened):
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(2)]
        first, second = cluster.wait_for(2)
        values = cluster.fake.jobs()[first]
        for id in (first, second):
            cluster.fake.remove(id)
        fake_slurm.write(
            cluster.fake.folder / "jobs" / first[:-2],
            values | {"state": "CANCELLED", "shown": ["squeue"]},
        )
        for future in futures:
            with pytest.raises(RuntimeError, match="was cancelled"):
                future.result(timeout=HANG)


@pytest.mark.parametrize("state", ["PREEMPTED", "NODE_FAIL", "BOOT_FAIL"])
def test_a_job_that_ended_for_others_reasons_is_submitted_again(
    cluster, opened, recwarn, state
):
    with opened() as submit:
        future = submit(pow, 3, 2)
        for times in (1, 2):
            (id,) = cluster.wait_for(times)
            cluster.fake.change(id, state=state)
        (id,) = cluster.wait_for(3)
        cluster.run(id)
        assert future.result(timeout=HANG) == 9
    assert told(recwarn) == [
        f"Slurm job 101 ended with {state}; such jobs are submitted up to 3 times"
    ]


def test_the_third_such_end_is_the_last(cluster, opened):
    with opened() as submit:
        future = submit(pow, 3, 2)
        for times in (1, 2, 3):
            (id,) = cluster.wait_for(times)
            cluster.fake.change(id, state="PREEMPTED")
        with pytest.raises(
            RuntimeError,
            match=r"was preempted by other jobs: .* \(PREEMPTED\), for the last of 3 times",
        ):
            future.result(timeout=HANG)


def test_a_job_that_slurm_puts_back_into_the_queue_is_waited_for(
    cluster, opened, pace, clock
):
    pace(grace=1000.0, look=0.01)
    with opened() as submit:
        future = submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        for state in (
            "RUNNING",
            "PREEMPTED",
            "PENDING",
            "NODE_FAIL",
            "REQUEUED",
            "NODE_FAIL",
            "RUNNING",
        ):
            cluster.fake.change(id, state=state)
            cluster.wait_for_calls("squeue", 2)
            clock.skip(600)
        assert not future.done()
        cluster.run(id)
        assert future.result(timeout=HANG) == 9
    assert len(cluster.fake.jobs()) == 1


def test_a_result_that_shows_late_is_not_lost(cluster, opened, pace):
    """A shared file system may show it after Slurm shows the job as ended."""
    pace(grace=600.0)
    with opened() as submit:
        future = submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        cluster.fake.change(id, state="COMPLETED")
        cluster.wait_for_calls("squeue", 2)
        cluster.run(id)
        assert future.result(timeout=HANG) == 9


def test_jobs_that_may_never_start_are_told(cluster, opened, recwarn):
    with opened() as submit:
        future = submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        cluster.fake.change(id, reason="PartitionTimeLimit")
        cluster.wait_for_calls("squeue", 3)
        cluster.run(id)
        future.result(timeout=HANG)
    (line,) = told(recwarn)
    assert "may never start: PartitionTimeLimit" in line


# Cancelling.


@pytest.mark.parametrize(
    ("name", "hanging"),
    [
        ("SIGINT", "squeue"),
        ("SIGTERM", "squeue"),
        ("SIGHUP", "squeue"),
        ("SIGTERM", "sbatch"),
        ("SIGTERM", None),
    ],
)
def test_a_signal_cancels_the_jobs_in_one_call(cluster, opened, name, hanging):
    """Also while a program of Slurm hangs."""
    with (
        pytest.raises(KeyboardInterrupt) as ended,
        ended_by_signals(),
        opened() as submit,
    ):
        futures = [submit(pow, k, 2) for k in range(3)]
        cluster.wait_for(3)
        if hanging:
            cluster.fake.fault(hanging, "hang")
            futures.append(submit(pow, 4, 2))
            cluster.wait_for_calls(hanging, 1)
        os.kill(os.getpid(), getattr(signal, name))
        wait(futures, HANG)
    assert isinstance(ended.value, EndSignal) == (name != "SIGINT")
    assert {job["state"] for job in cluster.fake.jobs().values()} == {"CANCELLED"}
    assert all(future.cancelled() for future in futures)
    first, *others = cluster.fake.calls("scancel")
    assert first[1:] == sorted(
        {id.partition("_")[0] for id in cluster.fake.jobs()} & set(first)
    )
    # An array of which sbatch said nothing has no id yet.
    assert all(hanging == "sbatch" and call[1:4:2] == ["-u", "-n"] for call in others)


def test_jobs_of_a_submission_that_was_broken_off_are_cancelled(cluster, opened):
    with opened() as submit:
        cluster.fake.fault("sbatch", "accept and hang")
        submit(pow, 3, 2)
        cluster.wait_for(1)
    assert {job["state"] for job in cluster.fake.jobs().values()} == {"CANCELLED"}


def test_scancel_is_tried_again(cluster, opened, recwarn):
    with opened() as submit:
        submit(pow, 3, 2)
        cluster.wait_for(1)
        cluster.fake.fault("scancel", "fail")

        def mend():
            wait_until(
                lambda: len(cluster.fake.calls("scancel")) >= 2, "scancel is called"
            )
            cluster.fake.fault("scancel", None)

        thread = threading.Thread(target=mend)
        thread.start()
    thread.join()
    assert {job["state"] for job in cluster.fake.jobs().values()} == {"CANCELLED"}
    (line,) = told(recwarn)
    assert "archselect tries for 60 seconds to cancel the jobs" in line


@pytest.mark.parametrize("how", ["fail", "hang"])
def test_what_cannot_be_cancelled_is_told(cluster, opened, pace, recwarn, how):
    pace(cancel=0.3)
    with opened() as submit:
        submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        cluster.fake.fault("scancel", how)
    assert told(recwarn)[-1].endswith(f"run scancel {id}")


def test_jobs_that_are_there_no_longer_need_no_cancelling(cluster, opened, recwarn):
    cluster.fake.fault(
        "scancel",
        "fail",
        "scancel: error: Kill job error on job id 101: Invalid job id specified",
    )
    with opened() as submit:
        submit(pow, 3, 2)
        cluster.wait_for(1)
    assert told(recwarn) == []
    assert len(cluster.fake.calls("scancel")) == 1


def test_jobs_of_a_killed_command_are_cancelled_before_others_are_submitted(
    cluster, opened, tmp_path, recwarn
):
    killed = ExchangeFolder(read_options({"folder": str(tmp_path / "jobs")}, None))
    killed.write_call("0", b"")
    for name in (f"{killed.job_names}0", "archselect-of-others-0"):
        array = f"7{len(cluster.fake.jobs())}"
        values = {
            "name": name,
            "state": "RUNNING",
            "reason": "None",
            "shown": ["squeue"],
        }
        fake_slurm.write(cluster.fake.folder / "jobs" / array, values)
    with opened() as submit, cluster.running():
        # It lives: its folder is held.
        assert submit(pow, 2, 2).result(timeout=HANG) == 4
    assert cluster.fake.calls("scancel") == []
    killed._lock.release()
    with opened() as submit, cluster.running():
        assert submit(pow, 3, 2).result(timeout=HANG) == 9
    assert cluster.fake.calls("scancel") == [["scancel", "70"]]
    assert cluster.fake.jobs()["71"]["state"] == "RUNNING"
    assert told(recwarn) == [
        "cancelled the jobs that a killed command left in Slurm's queue: 70"
    ]
    assert not killed.path.exists()


def test_the_folder_of_a_command_on_another_machine_is_told(
    cluster, opened, tmp_path, recwarn
):
    other = ExchangeFolder(read_options({"folder": str(tmp_path / "jobs")}, None))
    other._lock.release()
    (other.path / "owner").write_text(
        f"not-{socket.gethostname()}\n{other.job_names}\n"
    )
    with opened() as submit, cluster.running():
        assert submit(pow, 3, 2).result(timeout=HANG) == 9
    (line,) = told(recwarn)
    assert f"{other.path} belongs to a command on not-{socket.gethostname()}" in line
    assert other.path.is_dir()


# Calls, results and files.


class Stuck:
    """Cannot be pickled."""

    def __reduce__(self):
        raise TypeError("stuck")


class OneWay(Exception):
    """Can be pickled and not be made again: its arguments are not those that it takes."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_one_way():
    raise OneWay("one", "two")


def test_what_cannot_be_pickled_fails_alone(cluster, opened, monkeypatch):
    functions = {
        "abs": lambda _: Stuck(),
        "hash": lambda _: raise_one_way(),
        "len": lambda _: 1 / 0,
    }
    monkeypatch.setattr(job, "attempt", replaced(job.attempt, functions))
    with opened() as submit, cluster.running():
        stuck, late, one_way, wrong, right = (
            submit(pow, Stuck(), 2),
            submit(abs, 1),
            submit(hash, 1),
            submit(len, 1),
            submit(pow, 3, 2),
        )
        with pytest.raises(
            RuntimeError, match="the call cannot be sent to a job: TypeError: stuck"
        ):
            stuck.result(timeout=HANG)
        with pytest.raises(
            RuntimeError, match="the result cannot be sent back: TypeError: stuck"
        ):
            late.result(timeout=HANG)
        with pytest.raises(RuntimeError, match="OneWay: one and two"):
            one_way.result(timeout=HANG)
        with pytest.raises(ZeroDivisionError):
            wrong.result(timeout=HANG)
        assert right.result(timeout=HANG) == 9


def replaced(attempt, functions):
    """Return `attempt` with other functions in place of some, which could not be sent to a job."""

    def call(start, function, *arguments):
        return attempt(start, functions.get(function.__name__, function), *arguments)

    return call


def test_a_result_that_is_damaged_fails_alone(cluster, opened, tmp_path):
    with opened() as submit:
        damaged, right = submit(pow, 2, 2), submit(pow, 3, 2)
        first, second = cluster.wait_for(2)
        place = Path(cluster.fake.jobs()[first]["place"])
        (place / "results" / "0").write_bytes(pickle.dumps((4, None))[:-3])
        with pytest.raises(
            RuntimeError, match="the result of a Slurm job cannot be read: "
        ):
            damaged.result(timeout=HANG)
        cluster.run(second)
        assert right.result(timeout=HANG) == 9


def test_a_call_that_the_node_cannot_read_fails_alone(cluster, opened):
    with opened() as submit:
        future = submit(pow, 2, 2)
        (id,) = cluster.wait_for(1)
        (Path(cluster.fake.jobs()[id]["place"]) / "calls" / "0").write_bytes(
            b"cnot_here\nthing\n."
        )
        cluster.run(id)
        with pytest.raises(
            RuntimeError,
            match="the call cannot be read on this node: ModuleNotFoundError",
        ):
            future.result(timeout=HANG)


def test_files_are_removed_when_calls_are_settled(cluster, opened, tmp_path):
    with opened() as submit:
        futures = [submit(pow, k, 2) for k in range(3)]
        ids = cluster.wait_for(3)
        (place,) = (tmp_path / "jobs").iterdir()
        assert place.stat().st_mode & 0o077 == 0
        for id in ids[:2]:
            cluster.run(id)
        results(futures[:2])
        assert [path.name for path in (place / "calls").iterdir()] == ["2"]
        assert list((place / "results").iterdir()) == []
        cluster.run(ids[2])
        results(futures)
    assert list((tmp_path / "jobs").iterdir()) == []


def test_commands_may_share_a_folder(cluster, opened):
    with opened() as submit, opened() as other, cluster.running():
        futures = [
            submit(pow, 3, 2),
            other(pow, 4, 2),
            submit(pow, 5, 2),
            other(pow, 6, 2),
        ]
        assert results(futures) == [9, 16, 25, 36]
    assert cluster.fake.calls("scancel") == []


def test_many_jobs_take_few_submissions(cluster, opened):
    with opened() as submit, cluster.running():
        assert results([submit(pow, k, 2) for k in range(100)]) == [
            k**2 for k in range(100)
        ]
    assert len(cluster.fake.calls("sbatch")) < 20


def test_slurm_is_asked_for_this_users_jobs_alone(cluster, opened, monkeypatch):
    """Variables that would have the programs show something else do not reach them."""
    for name in ("SQUEUE_PARTITION", "SCANCEL_INTERACTIVE", "SACCT_FORMAT"):
        monkeypatch.setenv(name, "x")
    with opened() as submit:
        submit(pow, 3, 2)
        cluster.wait_for_calls("squeue", 1)
    for call in cluster.fake.calls("squeue"):
        assert call[1:] == [
            "-h",
            "-r",
            "-u",
            str(os.getuid()),
            "-t",
            "all",
            "-o",
            "%i|%T|%r|%j",
        ]
    for program in ("squeue", "scancel"):
        names = cluster.fake.environment(program)
        assert not [
            name for name in names if name.startswith(("SQUEUE_", "SCANCEL_", "SACCT_"))
        ]
        assert "PATH" in names


# Settings.


def test_settings_are_options_of_sbatch(cluster, opened):
    settings = {
        "partition": "gpu",
        "gres": "gpu:1",
        "time": 240,
        "exclusive": True,
        "mem_per_cpu": "2G",
        "comment": "a b",
    }
    with opened(
        workers=2, setup=["module load x"], job_name="mine", hold=False, **settings
    ) as submit:
        submit(pow, 3, 2), submit(pow, 4, 2)
        cluster.wait_for(2)
        script = Path(cluster.fake.calls("sbatch")[0][1]).read_text()
        options = next(iter(cluster.fake.jobs().values()))["options"]
    assert options["job-name"].startswith("mine-")
    wanted = {
        "array": "0-1%2",
        "partition": "gpu",
        "gres": "gpu:1",
        "time": "240",
        "mem-per-cpu": "2G",
        "requeue": "",
    }
    assert wanted.items() <= options.items()
    assert "#SBATCH --exclusive\n" in script and "#SBATCH --comment='a b'\n" in script
    assert "\nmodule load x\nexec " in script
    assert "hold" not in options


def test_a_job_has_the_clusters_own_time_limit_if_none_is_given(cluster, opened):
    with opened() as submit:
        submit(pow, 3, 2)
        (id,) = cluster.wait_for(1)
        assert "time" not in cluster.fake.jobs()[id]["options"]


BAD = {
    "array": ({"array": "0-9"}, "setting array is set by archselect: remove it"),
    "name": ({"p": "gpu"}, "setting 'p' is not an option of sbatch"),
    "lines": ({"comment": "a\nb"}, "write one line, as sbatch takes it"),
    "list": ({"partition": ["a", "b"]}, "write one line, as sbatch takes it"),
    "setup": ({"setup": 3}, 'setting setup is 3: write ["COMMAND", "COMMAND"]'),
    "folder": ({"folder": "a\x07"}, "contains characters that cannot be printed"),
}


@pytest.mark.parametrize("name", BAD)
def test_settings_that_cannot_be(cluster, name):
    settings, message = BAD[name]
    with pytest.raises(UserError) as error:
        check_slurm(settings)
    assert message in str(error.value)


def test_programs_that_are_missing_are_named(cluster):
    (cluster.fake.folder / "bin" / "scancel").unlink()
    with pytest.raises(
        UserError,
        match=r"Slurm is missing on this machine \(no scancel\): run the command on a node",
    ):
        check_slurm({})


def test_a_folder_that_cannot_be_written_is_named(cluster, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=f"cannot write {tmp_path / 'file'}"):
        slurm_engine(None, "cpu", START, {"folder": str(tmp_path / "file")}).__enter__()
