"""Which machine this is, which device to use, and which version of the code runs."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from archselect.benchmarks.store.records import Machine
from archselect.nasbench_adapters.errors import UserError


@cache
def code_version() -> str:
    """The version of the installed archselect."""
    return version("archselect")


DIRTY = "-dirty"
"""Behind a commit: files were changed since. As `git describe --dirty` has it."""
UNKNOWN = "unknown"
"""In place of a commit that nothing says."""


@cache
def commit() -> str:
    """Return the commit of the archselect that runs: equal texts mean equal code.

    A wheel has it in a file; in an editable installation git is asked. Where files were
    changed since (:data:`DIRTY`), or the commit is not known (:data:`UNKNOWN`), the
    hash of the source files stands behind it.
    """
    here = Path(__file__).parents[1]
    written = here / "commit.txt"
    name = (
        written.read_text().strip() if written.is_file() else _described(here.parent)
    ) or UNKNOWN
    return (
        f"{name}-{_source_hash(here.parent)}"
        if name == UNKNOWN or name.endswith(DIRTY)
        else name
    )


class Code(NamedTuple):
    """Which archselect runs: its version, its commit (see :func:`commit`), and the hash of its source files."""

    version: str
    commit: str
    sources: str


@cache
def running_code() -> Code:
    """Return which archselect runs in this process."""
    return Code(code_version(), commit(), _source_hash(Path(__file__).parents[2]))


def same_commit(*commits: str | None) -> str | None:
    """Return the commit that all of these are; None if they differ, or one is not known."""
    first, *others = commits
    return first if all(other == first for other in others) else None


def _described(root: Path) -> str:
    """Return what git says of a checkout; nothing where there is no checkout, or no git."""
    if not (root / "pyproject.toml").is_file() or shutil.which("git") is None:
        return ""
    command = [
        "git",
        "-C",
        str(root),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    return subprocess.run(
        command, capture_output=True, text=True, check=False
    ).stdout.strip()


def _source_hash(root: Path) -> str:
    """Return 16 hexadecimal digits: the hash of all source files on which measured numbers depend."""
    digest = hashlib.sha256()
    folders = [root / name for name in ("nasbench_adapters", "selectors", "benchmarks")]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        digest.update(
            f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode()
        )
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cores(root: Path = Path("/")) -> int:
    """Return how many processor cores this process may use, at least one.

    That is how many it may run on, or how many a container's quota lets it keep busy,
    rounded down: a worker beyond the quota would be made to pause, and its times would
    be wrong.

    Args:
        root: the folder that holds `proc` and `sys`.
    """
    return max(1, min(_allowed_cores(), int(cpu_quota(root))))


def _allowed_cores() -> int:
    if hasattr(os, "process_cpu_count"):  # since Python 3.13
        return os.process_cpu_count() or 1
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )


def cpu_quota(root: Path = Path("/")) -> float:
    """Return the processor time per time that this process's control groups, version 1 or 2, allow; 1e9 for no limit.

    A group's parents limit it, too. In a container the folder of the group's name may
    be missing, for it sees its own group as the uppermost. Source: the Linux kernel's
    documentation, admin-guide/cgroup-v2 and scheduler/sched-bwc.

    Args:
        root: the folder that holds `proc` and `sys`.
    """
    mounted = root / "sys/fs/cgroup"
    quotas = [UNLIMITED]
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            folders = _with_parents(mounted, group) + _with_parents(
                mounted / "unified", group
            )
            quotas += map(_quota_2, folders)
        elif "cpu" in controllers.split(","):
            folders = _with_parents(mounted / "cpu", group) + _with_parents(
                mounted / controllers, group
            )
            quotas += map(_quota_1, folders)
    return min(quotas)


UNLIMITED = 1e9
"""More cores than any machine has."""


def _with_parents(top: Path, group: str) -> list[Path]:
    """Return the folder of a control group and those of its parents, up to the uppermost."""
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return [top.joinpath(*parts[:length]) for length in range(len(parts) + 1)]


def _quota_2(folder: Path) -> float:
    """Return what `cpu.max` allows: "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    return _share(words[0], words[1]) if len(words) == 2 else UNLIMITED


def _quota_1(folder: Path) -> float:
    """Return what `cpu.cfs_quota_us` allows, -1 for no limit, in each `cpu.cfs_period_us`."""
    quota = _lines(folder / "cpu.cfs_quota_us")
    period = _lines(folder / "cpu.cfs_period_us")
    return _share(quota[0], period[0]) if quota and period else UNLIMITED


def _share(quota: str, period: str) -> float:
    if (
        not quota.strip().isdecimal()
        or not period.strip().isdecimal()
        or int(period) == 0
    ):
        return UNLIMITED
    return int(quota) / int(period)


def _lines(file: Path) -> list[str]:
    """Return the lines of a file of the system, none where there is no such file."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def find_device(name: str) -> torch.device:
    """The device of a name: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:1".

    Raises UserError if there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device '{name}': use auto, cpu, cuda or cuda:NUMBER")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"there is no device '{name}' here ({torch.cuda.device_count()} CUDA devices); use --device cpu"
        )
    return device


def visible_gpus() -> list[str]:
    """The GPUs that this process sees, by name as in CUDA_VISIBLE_DEVICES."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return (
        listed.split(",")
        if listed
        else [str(number) for number in range(torch.cuda.device_count())]
    )


def open_device(name: str, deterministic: bool = False) -> torch.device:
    """The device of a name, set so that float32 is float32.

    cuDNN would round the factors of float32 convolutions to TF32 (10 bits), in which
    scores differ in the third digit.

    Args:
        name: see :func:`find_device`.
        deterministic: whether torch is to take algorithms that give the same numbers
            each time; one that has none raises RuntimeError. On a CPU with one thread
            they all are.

    Raises UserError if there is no such device.
    """
    torch.backends.cudnn.allow_tf32 = False
    if deterministic:
        # cuBLAS reads it at its start, and is not deterministic with several
        # workspaces.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return find_device(name)


def describe_machine(device: torch.device) -> Machine:
    """What a record says of where it was made."""
    cuda = device.type == "cuda"
    return Machine(
        device=device.type,
        device_name=torch.cuda.get_device_name(device) if cuda else _processor(),
        threads=torch.get_num_threads(),
        platform=platform.platform(terse=True),
        python=platform.python_version(),
        torch=torch.__version__,
        # On the CPU the same seed gives the same numbers; on CUDA only where torch is
        # told so.
        deterministic=not cuda or torch.are_deterministic_algorithms_enabled(),
    )


@cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
