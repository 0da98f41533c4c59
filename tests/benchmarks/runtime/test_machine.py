import os
import subprocess
from importlib.metadata import version

import pytest
import torch

from archselect.benchmarks.runtime import machine as module
from archselect.benchmarks.runtime.machine import (
    UNLIMITED,
    code_version,
    commit,
    cores,
    cpu_quota,
    describe_machine,
    find_device,
    open_device,
    same_commit,
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
GROUP_1 = {
    "proc/self/cgroup": "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n0::/x\n"
}


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, UNLIMITED),
        (GROUP_2, UNLIMITED),
        # A container sees its own group as the uppermost, under whatever name.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (
            {
                "proc/self/cgroup": "0::/../..\n",
                "sys/fs/cgroup/cpu.max": "50000 100000\n",
            },
            0.5,
        ),
        (GROUP_2 | {"sys/fs/cgroup/cpu.max": "350000 100000\n"}, 3.5),
        (GROUP_2 | {"sys/fs/cgroup/user/job/cpu.max": "max 100000\n"}, UNLIMITED),
        # The least of a group and its parents counts.
        (
            GROUP_2
            | {
                "sys/fs/cgroup/user/job/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/user/cpu.max": "150000 100000\n",
            },
            1.5,
        ),
        (GROUP_2 | {"sys/fs/cgroup/user/job/cpu.max": ""}, UNLIMITED),
        (GROUP_2 | {"sys/fs/cgroup/user/job/cpu.max": "100 0"}, UNLIMITED),
        (
            GROUP_1
            | {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
            },
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
            GROUP_1
            | {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            UNLIMITED,
        ),
    ],
)
def test_the_quota_of_control_groups(system, files, quota):
    assert cpu_quota(system(files)) == quota


@pytest.mark.parametrize(
    ("quota", "expected"), [("50000", 1), ("250000", 2), ("900000", 3), ("max", 3)]
)
def test_cores_are_those_of_the_quota_and_of_the_process(
    system, monkeypatch, quota, expected
):
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
    with pytest.raises(
        UserError, match=r"no device 'cuda:2' here \(2 CUDA devices\); use --device cpu"
    ):
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
    found = describe_machine(torch.device("cpu"))
    assert found.device == "cpu"
    assert found.device_name
    assert found.threads == torch.get_num_threads()
    assert found.torch == torch.__version__
    assert found.deterministic


def test_the_code_version_is_the_installed_one():
    assert code_version() == version("archselect")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder `benchmarks` in a checkout to be, of which `machine.py` is taken for the module."""
    folder = tmp_path / "benchmarks"
    (folder / "runtime").mkdir(parents=True)
    (folder / "runtime" / "machine.py").touch()
    monkeypatch.setattr(module, "__file__", str(folder / "runtime" / "machine.py"))
    return folder


def git(folder, *arguments):
    command = [
        "git",
        "-c",
        "user.name=n",
        "-c",
        "user.email=e",
        "-C",
        str(folder),
        *arguments,
    ]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def head(package):
    """The package in a checkout with one commit."""
    (package.parent / "pyproject.toml").touch()
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["commit", "-q", "-m", "first"],
        ["tag", "v1"],
    ):
        git(package.parent, *command)
    return git(package.parent, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_checkout_or_of_the_wheel(package, head):
    """A package in a checkout asks git; one with the file that a wheel has does not."""
    assert commit.__wrapped__() == head
    (package / "commit.txt").write_text("0123abc\n")
    assert commit.__wrapped__() == "0123abc"


def test_a_package_outside_a_checkout_is_known_by_its_source(package):
    name, digest = commit.__wrapped__().split("-")
    assert name == "unknown" and len(digest) == 16
    (package.parent / "pyproject.toml").touch()
    assert commit.__wrapped__() == f"unknown-{digest}"
    (package / "runtime" / "machine.py").write_text("changed")
    assert commit.__wrapped__() not in (f"unknown-{digest}", "unknown")


@pytest.mark.parametrize("wheel", [False, True])
def test_changes_since_the_commit_are_told_apart(package, head, wheel):
    """Equal names mean equal code, in a checkout and in a wheel that was built from one."""
    found = []
    for text in ("one", "another", "one"):
        (package / "runtime" / "machine.py").write_text(text)
        if wheel:
            (package / "commit.txt").write_text(f"{head}-dirty\n")
        found.append(commit.__wrapped__())
    assert all(name.startswith(f"{head}-dirty-") for name in found)
    assert found[0] == found[2] != found[1]


def test_a_commit_of_documentation_alone_is_another_commit(package, head):
    (package.parent / "README.md").write_text("words")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-q", "-m", "second")
    assert commit.__wrapped__() == git(package.parent, "rev-parse", "HEAD") != head


def test_several_commits_are_none():
    assert same_commit("a", "a") == "a"
    assert (
        same_commit("a", "b")
        is same_commit("a", None)
        is same_commit(None, None)
        is None
    )


def test_deterministic_algorithms_are_asked_for_and_noted(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    try:
        open_device("cpu")
        assert not torch.are_deterministic_algorithms_enabled()
        open_device("cpu", deterministic=True)
        assert (
            torch.are_deterministic_algorithms_enabled()
            and os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        )
    finally:
        torch.use_deterministic_algorithms(False)
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_float32_on_a_gpu_is_float32():
    device = open_device("cuda")
    x, weight = (
        torch.randn(shape, dtype=torch.float64, device=device)
        for shape in ((64, 16, 32, 32), (16, 16, 3, 3))
    )
    exact = torch.nn.functional.conv2d(x, weight)
    rounded = torch.nn.functional.conv2d(x.float(), weight.float()).double()
    assert (rounded - exact).norm() / exact.norm() < 1e-6
