"""Facts about the machine, its devices and the code that runs."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from archselect.benchmarks.store.records import Machine
from archselect.nasbench_adapters.distribution import installed_version
from archselect.nasbench_adapters.errors import UserError


@cache
def code_version() -> str:
    """Return the version of the installed archselect."""
    return installed_version()


DIRTY = "-dirty"
"""Suffix of a commit's name if files have changed, as in `git describe --dirty`."""
UNKNOWN = "unknown"
"""Name of a commit that is not known."""


@cache
def commit() -> str:
    """Return the commit of the running archselect: equal texts mean equal code.

    A wheel has it in a file; in an editable installation git gives it. If files have
    changed (:data:`DIRTY`), or the commit is unknown (:data:`UNKNOWN`), the hash of the
    source files follows.
    """
    here = Path(__file__).parents[1]
    file = here / "commit.txt"
    is_wheel = file.is_file()
    text = file.read_text().strip() if is_wheel else _describe_checkout(here.parent)
    name = text or UNKNOWN
    if name == UNKNOWN or name.endswith(DIRTY):
        return f"{name}-{_source_hash(here.parent)}"
    return name


class Code(NamedTuple):
    """Identity of the running archselect.

    Attributes:
        version: Its version.
        commit: Its commit, by :func:`commit`.
        sources: Hash of its source files.
    """

    version: str
    commit: str
    sources: str


@cache
def running_code() -> Code:
    """Return the identity of the archselect that runs in this process."""
    return Code(code_version(), commit(), _source_hash(Path(__file__).parents[2]))


def same_commit(*commits: str | None) -> str | None:
    """Return the commit if all are the same; None if they differ or one is unknown."""
    first, *others = commits
    return first if all(other == first for other in others) else None


def _describe_checkout(root: Path) -> str:
    """Return git's description of a checkout; "" without a checkout or git."""
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
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return process.stdout.strip()


def _source_hash(root: Path) -> str:
    """Return a hash, 16 hexadecimal digits, of the source files of measured numbers."""
    digest = hashlib.sha256()
    paths: list[Path] = []
    for name in ("nasbench_adapters", "selectors", "benchmarks"):
        paths += (root / name).rglob("*.py")
    for path in sorted(paths):
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cores(root: Path = Path("/")) -> int:
    """Return how many processor cores this process may use, at least one.

    This is the number of cores that it may run on, or that a container's quota lets it
    keep busy, rounded down. A worker beyond the quota would have to pause, so its times
    would be wrong.

    Args:
        root: Folder of `proc` and `sys`.
    """
    return max(1, min(_allowed_cores(), int(cpu_quota(root))))


def _allowed_cores() -> int:
    if hasattr(os, "process_cpu_count"):  # since Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(root: Path = Path("/")) -> float:
    """Return how many cores this process's control groups let it keep busy.

    Groups can be of version 1 or 2. A group's parents also limit it. A container sees
    its own group as the top, so the folder with the group's name can be missing.
    Source: the Linux kernel's documentation, admin-guide/cgroup-v2 and
    scheduler/sched-bwc.

    Args:
        root: Folder of `proc` and `sys`.

    Returns:
        Processor time per time; :data:`UNLIMITED` without a limit.
    """
    mounted = root / "sys/fs/cgroup"
    quotas = [UNLIMITED]
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            folders = _with_parents(mounted, group)
            folders += _with_parents(mounted / "unified", group)
            quotas += map(_read_quota_v2, folders)
        elif "cpu" in controllers.split(","):
            folders = _with_parents(mounted / "cpu", group)
            folders += _with_parents(mounted / controllers, group)
            quotas += map(_read_quota_v1, folders)
    return min(quotas)


UNLIMITED = 1e9
"""More cores than any machine has."""


def _with_parents(top: Path, group: str) -> list[Path]:
    """Return the folders of a control group and of all its parents."""
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return [top.joinpath(*parts[:length]) for length in range(len(parts) + 1)]


def _read_quota_v2(folder: Path) -> float:
    """Return the share in `cpu.max`, "QUOTA PERIOD" in microseconds or "max PERIOD"."""
    words = " ".join(_lines(folder / "cpu.max")).split()
    return _share(words[0], words[1]) if len(words) == 2 else UNLIMITED


def _read_quota_v1(folder: Path) -> float:
    """Return `cpu.cfs_quota_us`, -1 for no limit, per `cpu.cfs_period_us`."""
    quota = _lines(folder / "cpu.cfs_quota_us")
    period = _lines(folder / "cpu.cfs_period_us")
    return _share(quota[0], period[0]) if quota and period else UNLIMITED


def _share(quota: str, period: str) -> float:
    are_numbers = quota.strip().isdecimal() and period.strip().isdecimal()
    if not are_numbers or int(period) == 0:
        return UNLIMITED
    return int(quota) / int(period)


def _lines(file: Path) -> list[str]:
    """Return the lines of a file of the system; none if there is no such file."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def find_device(name: str) -> torch.device:
    """Return the device of a name: "auto", "cpu", "cuda" or "cuda:1".

    "auto" is CUDA if there is a CUDA device.

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
            f"there is no device '{name}' here ({torch.cuda.device_count()} CUDA devices); "
            "use --device cpu"
        )
    return device


def visible_gpus() -> list[str]:
    """Return the GPUs that this process sees, by name as in CUDA_VISIBLE_DEVICES."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if listed:
        return listed.split(",")
    return [str(number) for number in range(torch.cuda.device_count())]


def open_device(name: str, deterministic: bool = False) -> torch.device:
    """Return the device of a name; set torch to compute in full float32.

    By default, cuDNN rounds the factors of float32 convolutions to TF32 (10 bits),
    which changes scores in the third digit.

    Args:
        name: Name as in :func:`find_device`.
        deterministic: Whether torch uses only algorithms that repeat their numbers
            exactly; an operation without one raises RuntimeError. On a CPU with one
            thread, all algorithms do.

    Raises UserError if there is no such device.
    """
    torch.backends.cudnn.allow_tf32 = False
    if deterministic:
        # cuBLAS reads this variable when it starts. With several workspaces it is not
        # deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return find_device(name)


def describe_machine(device: torch.device) -> Machine:
    """Return the description of this machine and a device, for a record."""
    cuda = device.type == "cuda"
    return Machine(
        device=device.type,
        device_name=torch.cuda.get_device_name(device) if cuda else _processor(),
        threads=torch.get_num_threads(),
        platform=platform.platform(terse=True),
        python=platform.python_version(),
        torch=torch.__version__,
        # On the CPU the same seed gives the same numbers; on CUDA only with the
        # setting.
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
