"""What was seen of a supernet's training, epoch by epoch: its schema, and how it is written and read. No torch here.

A supernet whose recipe says `trace = true` leaves `traces/ID.npz` beside the records,
named like the supernet: arrays and, as JSON, what they are of. Arrays are float32
(counts int32) with T epochs, E edges, K operations (padded with zeros where an edge
allows fewer), L layers of a cell type. The cost of an operation on an edge is the loss'
derivative by its entry of the mixture, c = Σ ⟨∂L/∂x_target, O(x_source)⟩ over the
images of a batch, L their mean cross-entropy: what is positive does harm (Xie et al.,
AISTATS 2021).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from archselect.benchmarks.store.facts import Fact, Id, Numbers, Seed
from archselect.benchmarks.store.records import DataInputs, SupernetInputs, supernet_id
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED

Array = npt.NDArray[np.float32] | npt.NDArray[np.int32]
WRONG, RIGHT = 0, 1
"""Places along the axis of images that the supernet classified wrong, and right."""
COUNT, LOSS, ENTROPY = 0, 1, 2
"""Places along the axis of sums over images: how many, of the cross-entropy L, of the
prediction's entropy H.
"""
FIRST, LAST = 0, 1
"""Places along the axis of probes: before training, and after it."""


class TracedCell(Fact):
    """A cell type: nodes 0 .. nodes - 1, the inputs first, edges (source, target), `operations[e]` those allowed.

    `layers` is how many layers of the network are of it. Every edge has operations, and
    leads from a node to a later one that is no input.
    """

    name: str
    inputs: int
    nodes: int
    output: list[int]
    edges: list[tuple[int, int]] = Field(min_length=1)
    operations: list[list[str]]
    layers: int = Field(ge=0)

    @model_validator(mode="after")
    def _whole(self) -> TracedCell:
        forward = all(
            0 <= source < target < self.nodes and target >= self.inputs
            for source, target in self.edges
        )
        inside = all(0 <= node < self.nodes for node in self.output)
        if not forward or not inside or not 0 < self.inputs < self.nodes:
            raise ValueError("its edges do not lead from its inputs to later nodes")
        if self.nodes > self.inputs + len(self.edges):
            raise ValueError("it has nodes that nothing enters")
        if len(self.operations) != len(self.edges) or not all(self.operations):
            raise ValueError("its edges have no operations")
        return self

    @property
    def width(self) -> int:
        """K."""
        return max(map(len, self.operations))


class TraceInfo(Fact):
    """What a trace is of: all that determines the supernet, and its cells.

    `parts` are the parts of the images ("train", "valid" or "all") that losses are
    known of; the first is the one from whose losses the alphas' gradient is had, and on
    which costs are measured. `formulations` are the supernet's; `commit`: see
    :class:`.record.Record`.
    """

    schema_version: Literal[2] = 2
    id: Id
    space: str
    data: DataInputs
    supernet: SupernetInputs
    seed: Seed
    formulations: Numbers
    parts: list[str] = Field(min_length=1)
    cells: list[TracedCell] = Field(min_length=1)
    commit: str | None = None


@dataclass(frozen=True, eq=False)
class CellTrace:
    """What was seen of a cell type; costs without a suffix are summed over the layers of the type.

    Attributes:
        probabilities: (T + 1, E, K) softmax of the alphas, before training and after
            every epoch.
        cost_counts: (T, E, K) in how many batches of an epoch an operation went
            forward.
        cost_means, cost_variances: (T, E, K) of its cost over these; NaN without any.
        edge_costs: (T, L, E) mean over the batches of Σ_k mixture x cost on an edge,
            for every layer.
        probe_counts: (2, E, K) the same of paths sampled uniformly, before training and
            after it.
        probe_means, probe_variances: (2, E, K) of the cost over these; NaN without any.
        probe_layers: (2, L, E, K) mean of the cost in every layer.
    """

    probabilities: Array
    cost_counts: Array
    cost_means: Array
    cost_variances: Array
    edge_costs: Array
    probe_counts: Array
    probe_means: Array
    probe_variances: Array
    probe_layers: Array


@dataclass(frozen=True, eq=False)
class Trace:
    """A whole trace.

    Attributes:
        info: what it is of.
        losses: (T, parts, 2, 3) sums over the images of an epoch, as they went forward
            in training: by part, wrong or right, of :data:`COUNT`, :data:`LOSS` and
            :data:`ENTROPY` (nats).
        cells: one per cell type.
    """

    info: TraceInfo
    losses: Array
    cells: tuple[CellTrace, ...]

    @property
    def epochs(self) -> int:
        """T."""
        return len(self.losses)


AXES: Mapping[str, tuple[str, ...]] = {
    "probabilities": ("T + 1", "E", "K"),
    "cost_counts": ("T", "E", "K"),
    "cost_means": ("T", "E", "K"),
    "cost_variances": ("T", "E", "K"),
    "edge_costs": ("T", "L", "E"),
    "probe_counts": ("probes", "E", "K"),
    "probe_means": ("probes", "E", "K"),
    "probe_variances": ("probes", "E", "K"),
    "probe_layers": ("probes", "L", "E", "K"),
}
"""The arrays of a cell type by name, and their axes."""


def shape_of_losses(parts: int, epochs: int) -> tuple[int, ...]:
    """That of the losses after so many epochs."""
    return epochs, parts, 2, 3


def shapes(
    edges: int, operations: int, layers: int, epochs: int, probes: int = 2
) -> dict[str, tuple[int, ...]]:
    """Those of the arrays of a cell type, by name, after so many epochs and probes."""
    sizes = {
        "T": epochs,
        "T + 1": epochs + 1,
        "L": layers,
        "E": edges,
        "K": operations,
        "probes": probes,
    }
    return {name: tuple(sizes[axis] for axis in axes) for name, axes in AXES.items()}


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace atomically into a folder of a study's folder.

    Raises UserError if that cannot take it.
    """
    arrays = {"losses": trace.losses}
    for c, cell in enumerate(trace.cells):
        arrays |= {f"{name}_{c}": getattr(cell, name) for name in AXES}
    info = np.frombuffer(trace.info.model_dump_json().encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, info=info, **arrays)  # type: ignore[arg-type]
    write_atomically(path, file.getvalue(), path.parent.parent)


def read_trace(path: Path) -> Trace:
    """Read a trace back; nothing in the file is executed.

    Raises UserError if it is missing, damaged or another's.
    """
    try:
        with open_arrays(path) as file:
            info = TraceInfo.model_validate_json(file["info"].tobytes())
            if path.stem != info.id or info.id != _id(info):
                raise ValueError("it is of another supernet")
            epochs, cells = len(file["probabilities_0"]) - 1, []
            losses = _array(file, "losses", shape_of_losses(len(info.parts), epochs))
            for c, cell in enumerate(info.cells):
                of_cell = shapes(len(cell.edges), cell.width, cell.layers, epochs)
                cells.append(
                    CellTrace(
                        **{
                            n: _array(file, f"{n}_{c}", shape)
                            for n, shape in of_cell.items()
                        }
                    )
                )
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValidationError, *DAMAGED) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is not a trace or is damaged ({reason}): remove it and its supernet, and run again"
        ) from error
    return Trace(info, losses, tuple(cells))


def _id(info: TraceInfo) -> str:
    return supernet_id(
        info.space, info.supernet, info.data, info.seed, info.formulations
    )


def _array(file: Mapping[str, Array], name: str, shape: tuple[int, ...]) -> Array:
    """An array of the file.

    Raises ValueError if it has another shape, or another type than arrays here have.
    """
    array = file[name]
    if array.dtype != (np.int32 if "counts" in name else np.float32):
        raise ValueError(f"'{name}' is of {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"'{name}' has shape {array.shape}, not {shape}")
    return array
