import os
import subprocess
from importlib.metadata import version

import pytest
import torch

from archselect.benchmarks import machine as module
from archselect.benchmarks.machine import (
    UNLIMITED,
    code_version,
    commit,
    cores,
    cpu_quota,
    find_device,
    machine,
    open_device,
)
from archselect.nasbench_adapters.errors import UserError


@pytest.fixture
def system(tmp_path):
    """`system({path: text})` is a folder with these files of a Linux system."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


GROUP_2 = {"proc/self/cgroup": "0::/user/job\n"}
GROUP_1 = {"proc/self/cgroup": "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n0::/x\n"}


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, UNLIMITED),
        (GROUP_2, UNLIMITED),
        # A container sees its own group as the uppermost, under whatever name.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        (GROUP_2 | {"sys/fs/cgroup/cpu.max": "350000 100000\n"}, 3.5),
        (GROUP_2 | {"sys/fs/cgroup/user/job/cpu.max": "max 100000\n"}, UNLIMITED),
        # The least of a group and its parents counts.
        (
            GROUP_2
            | {"sys/fs/cgroup/user/job/cpu.max": "400000 100000\n", "sys/fs/cgroup/user/cpu.max": "150000 100000\n"},
            1.5,
        ),
        (GROUP_2 | {"sys/fs/cgroup/user/job/cpu.max": ""}, UNLIMITED),
        (GROUP_2 | {"sys/fs/cgroup/user/job/cpu.max": "100 0"}, UNLIMITED),
        (
            GROUP_1
            | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n"},
            3,
        ),
        (
            GROUP_1
            | {
                "sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us": "20000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us": "10000\n",
            },
            2,
        ),
        (
            GROUP_1 | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            UNLIMITED,
        ),
    ],
)
def test_the_quota_of_control_groups(system, files, quota):
    assert cpu_quota(system(files)) == quota


@pytest.mark.parametrize(("quota", "expected"), [("50000", 1), ("250000", 2), ("900000", 3), ("max", 3)])
def test_cores_are_those_of_the_quota_and_of_the_process(system, monkeypatch, quota, expected):
    monkeypatch.setattr(module, "_allowed_cores", lambda: 3)
    root = system(GROUP_2 | {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    assert cores(root) == expected


def test_cores_are_those_that_the_process_may_run_on(system):
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores(system({})) == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_auto_is_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")


def test_devices_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("cuda") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match=r"no device 'cuda:2' here \(2 CUDA devices\); use --device cpu"):
        find_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "mps:0", "meta", "cuda:-1"])
def test_unknown_devices_name_the_known(name):
    with pytest.raises(UserError, match="auto, cpu, cuda or cuda:NUMBER"):
        find_device(name)


def test_cuda_without_cuda_names_the_mend(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match="use --device cpu"):
        find_device("cuda")


def test_the_cpu_describes_itself():
    found = machine(torch.device("cpu"))
    assert found.device == "cpu"
    assert found.device_name
    assert found.threads == torch.get_num_threads()
    assert found.torch == torch.__version__
    assert found.deterministic


def test_the_code_version_is_the_installed_one():
    assert code_version() == version("archselect")


def test_the_commit_is_that_of_the_checkout_or_of_the_wheel(tmp_path, monkeypatch):
    """A package in a checkout asks git; one with the file that a wheel has does not; one in neither knows none."""
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(tmp_path)]
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "machine.py").touch()
    monkeypatch.setattr(module, "__file__", str(package / "machine.py"))
    assert commit.__wrapped__() is None
    (tmp_path / "pyproject.toml").touch()
    assert commit.__wrapped__() is None
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"], ["tag", "v1"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert commit.__wrapped__() == head
    (package / "machine.py").write_text("changed")
    assert commit.__wrapped__() == f"{head}-dirty"
    (package / "commit.txt").write_text("0123abc\n")
    assert commit.__wrapped__() == "0123abc"


def test_deterministic_algorithms_are_asked_for_and_noted(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        open_device("cpu")
        assert not torch.are_deterministic_algorithms_enabled()
        open_device("cpu", deterministic=True)
        assert torch.are_deterministic_algorithms_enabled() and os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float32_on_a_gpu_is_float32():
    device = open_device("cuda")
    x, weight = (torch.randn(shape, dtype=torch.float64, device=device) for shape in ((64, 16, 32, 32), (16, 16, 3, 3)))
    exact = torch.nn.functional.conv2d(x, weight)
    rounded = torch.nn.functional.conv2d(x.float(), weight.float()).double()
    assert (rounded - exact).norm() / exact.norm() < 1e-6
