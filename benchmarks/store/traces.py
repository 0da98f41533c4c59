"""Traces: the recording of a supernet's training, epoch by epoch.

If the optimiser of a supernet has the setting `trace = true`, its training writes
`traces/ID.npz` beside the records, named like the supernet. It has arrays and, as JSON,
their description. Arrays are float32 (counts int32) with T epochs, E edges, K
operations (padded with zeros if an edge has fewer), and L layers of a cell type. The
cost of an operation on an edge is the derivative of the loss by its entry of the
mixture, c = Σ ⟨∂L/∂x_target, O(x_source)⟩ over the images of a batch, where L is their
mean cross-entropy: an operation with positive cost increases the loss (Xie et al.,
AISTATS 2021). This module does not import torch.
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

from archselect.benchmarks.store.facts import Fact, FormulationNumbers, Id, Seed
from archselect.benchmarks.store.records import DataInputs, SupernetInputs, supernet_id
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED

Array = npt.NDArray[np.float32] | npt.NDArray[np.int32]
WRONG = 0
"""Index, on the axis of answers, of images that the supernet classified wrongly."""
RIGHT = 1
"""Index, on the axis of answers, of images that the supernet classified correctly."""
COUNT = 0
"""Index, on the axis of sums over images, of their number."""
LOSS = 1
"""Index, on the axis of sums over images, of the cross-entropy L."""
ENTROPY = 2
"""Index, on the axis of sums over images, of the prediction's entropy H."""
FIRST = 0
"""Index, on the axis of probes, of the probe before training."""
LAST = 1
"""Index, on the axis of probes, of the probe after training."""


class TracedCell(Fact):
    """A cell type of a traced supernet.

    Its nodes are 0 .. nodes - 1, inputs first; its edges are (source, target), and lead
    to later nodes that are no inputs. `operations[e]` names the operations of edge e,
    at least one. `layers` is the number of layers of the network with this type.
    """

    name: str
    inputs: int
    nodes: int
    output: list[int]
    edges: list[tuple[int, int]] = Field(min_length=1)
    operations: list[list[str]]
    layers: int = Field(ge=0)

    @model_validator(mode="after")
    def _check(self) -> TracedCell:
        """Return the cell itself. Raise ValueError for a cell that no space has."""
        if not self._leads_forward():
            raise ValueError("the edges do not lead from the inputs to later nodes")
        if self.nodes > self.inputs + len(self.edges):
            raise ValueError("some nodes have no incoming edge")
        is_whole = len(self.operations) == len(self.edges)
        if not is_whole or not all(self.operations):
            raise ValueError("some edges have no operations")
        return self

    def _leads_forward(self) -> bool:
        """Return whether the edges lead from the inputs to later nodes."""
        if not 0 < self.inputs < self.nodes:
            return False
        if not all(0 <= node < self.nodes for node in self.output):
            return False
        return all(
            0 <= source < target < self.nodes and target >= self.inputs
            for source, target in self.edges
        )

    @property
    def width(self) -> int:
        """K, the maximal number of operations on an edge."""
        return max(map(len, self.operations))


class TraceInfo(Fact):
    """The supernet of a trace: everything that determines it, and its cells.

    `parts` are the parts of the images ("train", "valid" or "all") whose losses are
    recorded. The gradient of the alphas and the costs are computed on the first part.
    `formulations` are the supernet's. `commit` is as in :class:`.record.Record`.
    """

    schema_version: Literal[3] = 3
    id: Id
    space: str
    data: DataInputs
    supernet: SupernetInputs
    seed: Seed
    formulations: FormulationNumbers
    parts: list[str] = Field(min_length=1)
    cells: list[TracedCell] = Field(min_length=1)
    commit: str | None = None


@dataclass(frozen=True, eq=False)
class CellTrace:
    """Recorded numbers of a cell type; costs are sums over its layers, or by layer.

    Attributes:
        probabilities: (T + 1, E, K) weights that the activation (by default the
            softmax) gives to the alphas, before training and after every epoch.
        cost_counts: (T, E, K) number of batches of an epoch that computed an operation.
        cost_means, cost_variances: (T, E, K) mean and variance of its cost over these
            batches; NaN if there are none.
        edge_costs: (T, L, E) mean over the batches of Σ_k mixture x cost on an edge,
            for every layer.
        probe_counts: (2, E, K) counts for uniformly sampled paths, before and after
            training.
        probe_means, probe_variances: (2, E, K) mean and variance of the cost over these
            paths; NaN if there are none.
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
    """The trace of a supernet.

    Attributes:
        info: description of the supernet.
        losses: (T, parts, 2, 3) sums over the images of an epoch, in the forward passes
            of
            training: by part, wrong or right, of :data:`COUNT`, :data:`LOSS` and
            :data:`ENTROPY` (nats).
        alpha_step_counts: (T,) number of steps of the alphas in an epoch.
        cells: one trace per cell type.
    """

    info: TraceInfo
    losses: Array
    alpha_step_counts: Array
    cells: tuple[CellTrace, ...]

    @property
    def epochs(self) -> int:
        """T, the number of epochs."""
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
    """Return the shape of the losses of some parts after some epochs."""
    return epochs, parts, 2, 3


def cell_shapes(
    edges: int,
    operations: int,
    layers: int,
    epochs: int,
    probes: int = 2,
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a cell type's arrays, by name."""
    sizes = {
        "T": epochs,
        "T + 1": epochs + 1,
        "L": layers,
        "E": edges,
        "K": operations,
        "probes": probes,
    }
    shapes = {}
    for name, axes in AXES.items():
        shapes[name] = tuple(sizes[axis] for axis in axes)
    return shapes


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace atomically into a folder of a study's folder.

    Raises UserError if it cannot be written.
    """
    text = trace.info.model_dump_json().encode()
    info = np.frombuffer(text, dtype=np.uint8)
    arrays = {
        "info": info,
        "losses": trace.losses,
        "alpha_step_counts": trace.alpha_step_counts,
    }
    for place, cell in enumerate(trace.cells):
        for name in AXES:
            arrays[f"{name}_{place}"] = getattr(cell, name)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_atomically(path, file.getvalue(), path.parent.parent)


def read_trace(path: Path) -> Trace:
    """Return the trace in a file; nothing in the file is executed.

    Raises UserError if the file is missing, damaged or of another supernet.
    """
    try:
        with open_arrays(path) as file:
            return _parse_trace(file, path.stem)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValidationError, *DAMAGED) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is damaged, or is not a trace ({reason}): remove it and its supernet, and run again"
        ) from error


def _parse_trace(file: Mapping[str, Array], id: str) -> Trace:
    """Return the trace of a supernet from arrays by name.

    Raises ValueError if they are of another supernet, or have another shape or type.
    """
    info = TraceInfo.model_validate_json(file["info"].tobytes())
    if id != info.id or info.id != _supernet_id(info):
        raise ValueError("it belongs to another supernet")
    epochs = len(file["probabilities_0"]) - 1
    losses = _array(file, "losses", shape_of_losses(len(info.parts), epochs))
    alpha_steps = _array(file, "alpha_step_counts", (epochs,))
    cells = []
    for place, cell in enumerate(info.cells):
        edges = len(cell.edges)
        shapes = cell_shapes(edges, cell.width, cell.layers, epochs)
        arrays = {}
        for name, shape in shapes.items():
            arrays[name] = _array(file, f"{name}_{place}", shape)
        cells.append(CellTrace(**arrays))
    return Trace(info, losses, alpha_steps, tuple(cells))


def _supernet_id(info: TraceInfo) -> str:
    return supernet_id(
        info.space, info.supernet, info.data, info.seed, info.formulations
    )


def _array(
    file: Mapping[str, Array],
    name: str,
    shape: tuple[int, ...],
) -> Array:
    """Return an array of the file.

    Raises ValueError if it has another shape, or a type that no array here has.
    """
    array = file[name]
    if array.dtype != (np.int32 if "counts" in name else np.float32):
        raise ValueError(f"'{name}' is of {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"'{name}' has shape {array.shape}, not {shape}")
    return array
