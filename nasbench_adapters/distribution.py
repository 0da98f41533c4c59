"""The installed distribution: archselect, or archselect-reports without torch."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

ALL = "archselect"
"""Distribution with all packages that archselect needs."""
REPORTS = "archselect-reports"
"""Distribution of the same files that leaves out torch and what needs it."""
LEFT_OUT = {
    "torch": "torch",
    "nas_201_api": "nas-bench-201",
    "nasbench_pytorch": "nasbench-pytorch",
}
"""Packages that :data:`REPORTS` leaves out, by the name of their module."""


def installed_version() -> str:
    """Return the version of the installed archselect.

    Raises:
        PackageNotFoundError: archselect runs from a folder that is not installed.
    """
    try:
        return version(ALL)
    except PackageNotFoundError:
        return version(REPORTS)


def missing_package(error: ModuleNotFoundError) -> str | None:
    """Return in one line how to get a module that :data:`REPORTS` leaves out.

    Returns None where the error is about another module.
    """
    package = LEFT_OUT.get(error.name or "")
    if package is None:
        return None
    return (
        f"this command needs {package}, which {REPORTS} leaves out: "
        f"python -m pip uninstall {REPORTS}, then python -m pip install {ALL}"
    )
