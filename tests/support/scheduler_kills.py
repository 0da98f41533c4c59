"""Kills a Dask scheduler at random moments of a study, so often, and sees that each command ends in one line.

    python -m support.scheduler_kills 20

A command without a scheduler must end with exit code 2 and one line on standard error.
It is typed again, with another scheduler, until the study is done; then records (times
and machines apart) and tables are compared with those of the engine `local`, byte by
byte, and another folder is begun.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from support import kills

HANG = 600
"""Seconds after which a process is taken to hang."""
LATEST = 30
"""Seconds after a command's start within which its scheduler is killed: about as long
as the study takes.
"""
LINE = re.compile(
    r"archselect: (no Dask scheduler answers at|the Dask scheduler at) tcp://[^\n]+\n"
)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [own.getsockname()[1] for own in sockets]
    for own in sockets:
        own.close()
    return ports


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers, started as on a cluster: by the command line."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]

    def end(self) -> None:
        """Kill all of them: asked to end, some wait for ever where others are gone."""
        for process in (self.scheduler, *self.workers):
            process.kill()
        for process in (self.scheduler, *self.workers):
            process.wait(HANG)


def start_cluster(
    folder: Path,
    *options: object,
    workers: int = 2,
    scheduler: tuple[object, ...] = (),
    scheme: str = "tcp",
    environment: dict[str, str] | None = None,
) -> Cluster:
    """Start a scheduler with some options, and workers with others; none listens for other machines."""
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    address = f"{scheme}://127.0.0.1:{port}"
    local = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]

    def start(program: str, *words: object) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            f"distributed.cli.{program}",
            *local,
            *map(str, words),
        ]
        variables = os.environ | (environment or {})
        return subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env=variables
        )

    with (folder / "log").open("ab") as log:
        head = start("dask_scheduler", "--port", port, *scheduler)
        hands = [
            start("dask_worker", "--local-directory", folder, *options, address)
            for _ in range(workers)
        ]
    wait_for(head, port)
    return Cluster(address, head, hands)


def wait_for(scheduler: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a scheduler listens, or has ended."""
    while scheduler.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def run_killed(
    words: list[str], folder: Path, moment: kills.Moment, most: int, workers: int = 2
) -> int:
    """Run a command to its end, with at most so many schedulers killed; how many were."""
    killed = 0
    while True:
        cluster = start_cluster(folder, "--nthreads", "1", workers=workers)
        engine = [
            "--engine",
            "dask",
            "--engine-set",
            f"scheduler={cluster.address}",
            "--engine-set",
            "timeout=20",
        ]
        process = subprocess.Popen(
            [*words, *engine],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        kill = killed < most
        if kill and moment(process):
            cluster.scheduler.kill()
            killed += 1
        complaint = process.communicate(timeout=HANG)[1]
        cluster.end()
        if process.returncode == 0:
            assert complaint == ""
            return killed
        assert kill and process.returncode == 2 and LINE.fullmatch(complaint), (
            process.returncode,
            complaint,
        )


def main(count: int, seed: int) -> None:
    """Kill so often."""
    moment = kills.random_moment(random.Random(seed), LATEST)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = kills.write_study(folder)
        subprocess.run(
            kills.command(study, folder / "undisturbed"),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wanted = kills.result(folder / "undisturbed")
        killed = studies = 0
        while killed < count:
            out = folder / f"killed-{studies}"
            killed += run_killed(
                kills.command(study, out), folder / "dask", moment, count - killed
            )
            studies += 1
            assert kills.result(out) == wanted, f"study {studies} came out otherwise"
            print(
                f"{studies} studies, {killed} schedulers killed; all came out the same",
                flush=True,
            )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 20,
        int(sys.argv[2]) if len(sys.argv) > 2 else 0,
    )
