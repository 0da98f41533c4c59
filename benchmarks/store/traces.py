"""Traces: what was recorded of a supernet's training, epoch by epoch. No torch here.

A supernet whose optimiser has the setting `trace = true` leaves `traces/ID.npz` beside
the records, named like the supernet: arrays and, as JSON, what they are of. Arrays are
float32 (counts int32) with T epochs, E edges, K operations (padded with zeros where an
edge allows fewer), L layers of a cell type. The cost of an operation on an edge is the
derivative of the loss by its entry of the mixture, c = Σ ⟨∂L/∂x_target, O(x_source)⟩
over the images of a batch, with L their mean cross-entropy: an operation of positive
cost does harm (Xie et al., AISTATS 2021).
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
"""Place, along the axis of answers, of images that the supernet classified wrong."""
RIGHT = 1
"""Place, along the axis of answers, of images that the supernet classified right."""
COUNT = 0
"""Place, along the axis of sums over images, of their number."""
LOSS = 1
"""Place, along the axis of sums over images, of the cross-entropy L."""
ENTROPY = 2
"""Place, along the axis of sums over images, of the prediction's entropy H."""
FIRST = 0
"""Place, along the axis of probes, of the one before training."""
LAST = 1
"""Place, along the axis of probes, of the one after training."""


class TracedCell(Fact):
    """A cell type of a traced supernet.

    Its nodes are 0 .. nodes - 1, the inputs first; its edges are (source, target), and
    lead to later nodes that are no inputs. `operations[e]` names those allowed on edge
    e, one at least. `layers` is how many layers of the network are of this type.
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
        """Return the cell itself. Raises ValueError for one that no space has."""
        if not self._leads_forward():
            raise ValueError("its edges do not lead from its inputs to later nodes")
        if self.nodes > self.inputs + len(self.edges):
            raise ValueError("it has nodes that nothing enters")
        is_whole = len(self.operations) == len(self.edges)
        if not is_whole or not all(self.operations):
            raise ValueError("its edges have no operations")
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
        """K, the most operations that an edge has."""
        return max(map(len, self.operations))


class TraceInfo(Fact):
    """The supernet of a trace: all that determines it, and its cells.

    `parts` are the parts of the images ("train", "valid" or "all") that have losses.
    The first is the one on which the alphas' gradient and the costs are computed.
    `formulations` are the supernet's. For `commit` see :class:`.record.Record`.
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
    """Recorded numbers of a cell type; costs are sums over its layers or by layer.

    Attributes:
        probabilities: (T + 1, E, K) weights that the activation (the softmax, if not
            said otherwise) gives to the alphas, before training and after every epoch.
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
    """The trace of a supernet.

    Attributes:
        info: what it is of.
        losses: (T, parts, 2, 3) sums over the images of an epoch, as they went forward
            in training: by part, wrong or right, of :data:`COUNT`, :data:`LOSS` and
            :data:`ENTROPY` (nats).
        alpha_step_counts: (T,) how often the alphas were stepped in an epoch.
        cells: one per cell type.
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
    """Return the trace of a file; nothing in the file is executed.

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
            f"{path} is not a trace or is damaged ({reason}): remove it and its supernet, and run again"
        ) from error


def _parse_trace(file: Mapping[str, Array], id: str) -> Trace:
    """Return the trace of a supernet from arrays by name.

    Raises ValueError if they are of another one, or have another shape or type.
    """
    info = TraceInfo.model_validate_json(file["info"].tobytes())
    if id != info.id or info.id != _supernet_id(info):
        raise ValueError("it is of another supernet")
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
