"""A cluster of each kind on this machine, and what a study gives without one."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from support import scheduler_kills

CPUS = max(os.cpu_count() or 1, 2)
"""Cores that Slurm takes the node to have."""
LONGEST_ARRAY = 5
"""Jobs of an array, at most: fewer than a test submits."""
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")


free_ports = scheduler_kills.free_ports


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory):
    """A Dask cluster of two workers of one thread."""
    cluster = scheduler_kills.start_cluster(
        tmp_path_factory.mktemp("dask"), "--nthreads", "1"
    )
    yield cluster
    cluster.end()


@pytest.fixture
def start_dask(tmp_path_factory):
    """`start_dask(…)` starts a Dask cluster of the test's own; see `tests/support/scheduler_kills.py`."""
    started = []

    def start(*options, **more):
        started.append(
            scheduler_kills.start_cluster(
                tmp_path_factory.mktemp("dask"), *options, **more
            )
        )
        return started[-1]

    yield start
    for cluster in started:
        cluster.end()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The folder of a running Slurm of one node, with its configuration in the environment."""
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        pytest.skip(
            f"no Slurm here: {', '.join(missing)} missing (Debian: slurmctld slurmd slurm-client munge)"
        )
    if os.geteuid():
        pytest.skip("a Slurm of one's own needs root")
    folder = tmp_path_factory.mktemp("slurm")
    host, (controller, node) = socket.gethostname().split(".")[0], free_ports(2)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    for parent in (
        folder,
        *folder.parents,
    ):  # munge refuses a socket that others cannot reach
        if parent.is_relative_to(tmp_path_factory.getbasetemp().parent):
            parent.chmod(0o755)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    (folder / "slurm.conf").write_text(
        f"""
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=2,batch_sched_delay=1
MaxArraySize={LONGEST_ARRAY}
KillWait=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={CPUS} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=9
"""
    )
    munged = [f"--{name}={folder / file}" for name, file in MUNGE_FILES.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            for command in (["munged", *munged, "--force"], ["slurmctld"], ["slurmd"]):
                subprocess.run(command, check=True, capture_output=True)
            _wait_until_idle(folder)
            yield folder
        finally:
            for name in ("slurmd", "slurmctld", "munged"):
                _end(folder / f"{name}.pid")


MUNGE_FILES = {
    "socket": "munge.socket",
    "key-file": "munge.key",
    "pid-file": "munged.pid",
    "log-file": "munged.log",
    "seed-file": "munged.seed",
}


def _wait_until_idle(folder):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        shown = subprocess.run(
            ["sinfo", "-h", "-o", "%t"], capture_output=True, text=True
        )
        if shown.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-1000:] for path in sorted(folder.glob("*.log")))
    pytest.skip(f"Slurm does not start here: {logs}")


def _end(pid):
    try:
        os.kill(int(Path(pid).read_text()), 15)
    except (OSError, ValueError):
        return
