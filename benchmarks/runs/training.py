"""Final training: train one architecture from scratch by a protocol, with checkpoints.

Each epoch has its own random streams (order and augmentation, drop path). A checkpoint
therefore needs only weights, optimiser and the epochs measured so far. The CPU waits
for the device only once per epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.benchmarks.plan.jobs import TrainingJob
from archselect.benchmarks.plan.protocols import TrainingSettings
from archselect.benchmarks.runtime.machine import (
    code_version,
    commit,
    describe_machine,
    same_commit,
)
from archselect.benchmarks.runtime.meter import PeakMemory, PhaseClock
from archselect.benchmarks.runtime.precision import AUTOCAST, autocast
from archselect.benchmarks.runtime.tensor_files import (
    check_optimizer_state,
    load_tensors_if_present,
    read_commit,
    restoring_from,
    save_tensors,
)
from archselect.benchmarks.store.records import (
    CellGraph,
    Counts,
    Trained,
    TrainingCost,
    TrainingEpoch,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.streamed import StreamedImages
from archselect.nasbench_adapters.networks import build_network
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.spaces import get_space

Advance = Callable[[int, int, TrainingEpoch | None], None]
"""A function that gets the epochs done, the total, and the last epoch."""


def ignore_progress(done: int, total: int, epoch: TrainingEpoch | None) -> None:
    """Show nothing."""


def learning_rate(settings: TrainingSettings, epoch: int) -> float:
    """Return the learning rate of an epoch, counted from 0."""
    first = settings.learning_rate
    last = settings.learning_rate_min
    if settings.schedule == "exponential":
        return first * settings.gamma**epoch
    done = epoch / settings.epochs
    cosine = (1 + math.cos(math.pi * done)) / 2
    linear = 1 - done
    share = cosine if settings.schedule == "cosine" else linear
    return last + (first - last) * share


def drop_path(settings: TrainingSettings, epoch: int) -> float:
    """Return the probability of dropping an operation in an epoch, counted from 0."""
    return settings.drop_path * epoch / settings.epochs


def new_network(job: TrainingJob, image_channels: int, classes: int) -> Any:
    """Return the network of a training with its initial weights, on the CPU.

    :func:`.networks.build_network` builds it.
    """
    inputs = job.inputs
    space = get_space(inputs.space)
    return build_network(
        space,
        space.parse(inputs.architecture),
        space.skeleton(**inputs.skeleton),
        image_channels,
        classes,
        stream_seed("training weights", inputs.seed),
        auxiliary=job.settings.auxiliary_weight > 0,
    )


class _LossAndAccuracy(NamedTuple):
    """The mean loss, and the accuracy in per cent, of a pass over images."""

    loss: float
    accuracy: float


class NetworkTrainer:
    """Trains the network of a job on a device, epoch by epoch.

    Args:
        job: what to train, and how.
        images: the data, on the device to use.
        checkpoint: file of the checkpoint; training resumes from it if it exists.

    Attributes:
        network: the network, trained in place.
        epochs: the measurements of each epoch so far.

    Raises:
        UserError: the checkpoint is damaged or of another training.
    """

    def __init__(
        self,
        job: TrainingJob,
        images: Images | StreamedImages,
        checkpoint: Path,
    ) -> None:
        self.job = job
        self.images = images
        self.checkpoint = checkpoint
        self.settings = job.settings
        self.epochs: list[TrainingEpoch] = []
        start = perf_counter()
        device = images.device
        self.clock = PhaseClock(device)
        self.memory = PeakMemory(device)
        dataset = images.dataset
        network = new_network(job, dataset.channels, dataset.classes)
        self.network = network.to(device, memory_format=torch.channels_last)
        self.cost = ForwardCost(self.network, images.image_shape)()
        self._optimizer = self._new_optimizer()
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=self.settings.precision == "fp16"
        )
        self._training_logits = self.network.training_logits
        self._logits = self.network.forward
        self._warmup = 0.0
        self._peak_memory = 0
        self._sessions = 1
        self._commit: str | None = commit()
        saved = load_tensors_if_present(checkpoint)
        if saved is not None:
            self._restore(saved)
        self._warmup += perf_counter() - start
        if self.settings.compile:
            self._compile()

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            self.network.parameters(),
            self.settings.learning_rate,
            momentum=self.settings.momentum,
            nesterov=self.settings.nesterov,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )

    def _compile(self) -> None:
        """Compile the network's code for every batch size, before the training starts.

        The weights do not change.
        """
        self._training_logits = torch.compile(self.network.training_logits)
        self._logits = torch.compile(self.network.forward)
        before = deepcopy(self.network.state_dict())
        precision = self.settings.precision
        with self.clock.phase("compile"):
            self.network.train()
            drops = dict.fromkeys([0.0, self.settings.drop_path])
            for images, drop in product(self._batch_sizes("all"), drops):
                self._try_training(images, drop)
            self.network.eval()
            with torch.no_grad(), autocast(self.images.device, precision):
                for images in self._batch_sizes("test"):
                    x, _ = self._first_images(images)
                    self._logits(x)
        self._optimizer.zero_grad()
        self.network.load_state_dict(before)

    def _batch_sizes(self, part: str) -> list[int]:
        """Return the batch sizes of a part of the data, with that of the last batch."""
        size = self.settings.batch_size
        images = len(self.images.index(part))
        last = images % size or size
        return list(dict.fromkeys([size, last]))

    def _try_training(self, images: int, drop: float) -> None:
        """Do a forward and backward pass on first training images, without a step."""
        x, y = self._first_images(images)
        generator = torch.Generator().manual_seed(0)
        paths = self._paths(images, drop, generator)
        loss, _ = self._loss(x, y, paths)
        loss.backward()

    def _first_images(self, count: int) -> tuple[Tensor, Tensor]:
        index = self.images.index("all")
        return self.images.batch(index[:count])

    def epoch(self) -> TrainingEpoch:
        """Train and test for one epoch, and return the measurements.

        Raises FloatingPointError if a loss is not finite.
        """
        done = len(self.epochs)
        rate = learning_rate(self.settings, done)
        drop = drop_path(self.settings, done)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with self.clock.phase("train"):
            train = self._train(done, drop)
        if not math.isfinite(train.loss):
            raise FloatingPointError(
                f"the training loss is {train.loss} in epoch {done + 1}"
            )
        with self.clock.phase("test"):
            test = self._test()
        if not math.isfinite(test.loss):
            raise FloatingPointError(
                f"the test loss is {test.loss} in epoch {done + 1}"
            )
        measured = TrainingEpoch(
            learning_rate=rate,
            drop_path=drop,
            train_loss=train.loss,
            train_accuracy=train.accuracy,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
        )
        self.epochs.append(measured)
        return measured

    def _train(self, epoch: int, drop: float) -> _LossAndAccuracy:
        """Train for one pass over the training images."""
        settings = self.settings
        seed = self.job.inputs.seed
        batches = torch.Generator()
        batches.manual_seed(stream_seed("training batches", seed, epoch))
        paths = torch.Generator()
        paths.manual_seed(stream_seed("training paths", seed, epoch))
        self.network.train()
        sums = _RunningMeans(self.images.device)
        for x, y in self.images.epoch(
            "all",
            settings.batch_size,
            batches,
            settings.augment,
            cutout=settings.cutout,
        ):
            factors = self._paths(len(y), drop, paths)
            loss, logits = self._loss(x, y, factors)
            self._step(loss)
            sums.add(loss.detach(), logits, y)
        return sums.read()

    def _step(self, loss: Tensor) -> None:
        """Take one optimiser step along the gradient of a loss."""
        self._optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        longest = self.settings.grad_clip
        if longest:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), longest)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def _loss(
        self,
        x: Tensor,
        y: Tensor,
        paths: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss to minimise, and the main head's logits (batch, classes)."""
        smoothing = self.settings.label_smoothing
        with autocast(self.images.device, self.settings.precision):
            logits, auxiliary = self._training_logits(x, paths)
        cross_entropy = partial(F.cross_entropy, label_smoothing=smoothing)
        loss = cross_entropy(logits.float(), y)
        if auxiliary is not None:
            weight = self.settings.auxiliary_weight
            loss = loss + weight * cross_entropy(auxiliary.float(), y)
        return loss, logits.detach()

    def _paths(
        self,
        batch: int,
        drop: float,
        generator: torch.Generator,
    ) -> Tensor | None:
        """Return factors (droppable, batch) for the outputs of operations.

        Returns None if no operation is dropped.
        """
        if not drop or not self.network.droppable:
            return None
        factors = torch.empty(self.network.droppable, batch)
        factors.bernoulli_(1 - drop, generator=generator)
        scaled = factors / (1 - drop)
        device = self.images.device
        dtype = AUTOCAST.get(self.settings.precision, torch.float32)
        return scaled.to(device, dtype, non_blocking=True)

    def _test(self) -> _LossAndAccuracy:
        """Measure loss and accuracy on the test images."""
        self.network.eval()
        device = self.images.device
        sums = _RunningMeans(device)
        batches = self.images.sequential("test", self.settings.batch_size)
        with torch.no_grad():
            for x, y in batches:
                with autocast(device, self.settings.precision):
                    logits = self._logits(x)
                loss = F.cross_entropy(logits.float(), y)
                sums.add(loss, logits, y)
        return sums.read()

    def save(self) -> None:
        """Write the checkpoint atomically.

        Raises UserError if it cannot be written.
        """
        content = {
            "training": self.job.id,
            "weights": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "epochs": [epoch.model_dump_json() for epoch in self.epochs],
            "clock": self.clock.state(),
            "warmup": self._warmup,
            "peak_memory": max(self._peak_memory, self.memory.read()),
            "sessions": self._sessions,
        }
        save_tensors(self.checkpoint, content, self._commit)

    def _restore(self, content: dict[str, Any]) -> None:
        """Restore the content of a checkpoint.

        Raises UserError if it is of another training, or damaged.
        """
        if content.get("training") != self.job.id:
            raise UserError(
                f"{self.checkpoint} is of another training: remove it and run again"
            )
        with restoring_from(self.checkpoint):
            self.network.load_state_dict(content["weights"])
            check_optimizer_state(content["optimizer"], self._optimizer.state_dict())
            self._optimizer.load_state_dict(content["optimizer"])
            self._scaler.load_state_dict(content["scaler"])
            self.epochs = [
                TrainingEpoch.model_validate_json(text) for text in content["epochs"]
            ]
            self.clock.restore(content["clock"])
            self._warmup = float(content["warmup"])
            self._peak_memory = int(content["peak_memory"])
            self._sessions = int(content["sessions"]) + 1
        is_finished = len(self.epochs) == self.settings.epochs
        made_by = read_commit(self.checkpoint)
        self._commit = made_by if is_finished else same_commit(made_by, commit())

    def trained(self) -> Trained:
        """Return the record of the finished training."""
        inputs = self.job.inputs
        space = get_space(inputs.space)
        graph = space.graph(space.parse(inputs.architecture))
        accuracies = [epoch.test_accuracy for epoch in self.epochs]
        best_accuracy = max(accuracies)
        return Trained(
            id=self.job.id,
            inputs=inputs,
            overrides=self.job.overrides,
            graph=[CellGraph.model_validate(cell) for cell in graph],
            parameters=self._count_parameters(),
            flops=self.cost,
            epochs=self.epochs,
            last_accuracy=accuracies[-1],
            best_accuracy=best_accuracy,
            best_epoch=accuracies.index(best_accuracy) + 1,
            cost=self._total_cost(),
            code_version=code_version(),
            commit=self._commit,
        )

    def _count_parameters(self) -> int:
        """Return the number of parameters without the auxiliary head."""
        counts = [
            parameter.numel()
            for name, parameter in self.network.named_parameters()
            if "auxiliary" not in name
        ]
        return sum(counts)

    def _total_cost(self) -> TrainingCost:
        """Return the times, counts and memory of all sessions."""
        return TrainingCost(
            phases=self.clock.times(),
            counts=self._counts(),
            warmup=self._warmup,
            peak_memory=max(self._peak_memory, self.memory.read()),
            memory_kind=self.memory.kind,
            machine=describe_machine(self.images.device),
            sessions=self._sessions,
        )

    def _counts(self) -> dict[str, Counts]:
        """Return the passes, images and FLOPs, which follow from the settings.

        The auxiliary head is not counted.
        """
        epochs = len(self.epochs)
        size = self.settings.batch_size
        train_images = len(self.images.index("all"))
        test_images = len(self.images.index("test"))
        steps = epochs * math.ceil(train_images / size)
        tests = epochs * math.ceil(test_images / size)
        trained = epochs * train_images
        tested = epochs * test_images
        train = Counts(
            forwards=steps,
            backwards=steps,
            images=trained,
            flops=3 * trained * self.cost,
        )
        test = Counts(
            forwards=tests,
            images=tested,
            flops=tested * self.cost,
        )
        return {"train": train, "test": test}


class _RunningMeans:
    """The mean loss and accuracy over batches, summed on the device."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._right = torch.zeros((), dtype=torch.long, device=device)
        self._count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch: its mean loss, logits (batch, classes) and labels (batch,)."""
        self._loss += loss.double() * len(labels)
        self._right += (logits.argmax(1) == labels).sum()
        self._count += len(labels)

    def read(self) -> _LossAndAccuracy:
        """Return the means. Waits for the device."""
        loss = float(self._loss) / self._count
        accuracy = 100 * int(self._right) / self._count
        return _LossAndAccuracy(loss, accuracy)


def train_network(
    job: TrainingJob,
    images: Images | StreamedImages,
    checkpoint: Path,
    every: int = 1,
    advance: Advance = ignore_progress,
) -> Trained:
    """Train an architecture to the end, from its checkpoint if there is one.

    Args:
        job: what to train, and how.
        images: the data, on the device to use.
        checkpoint: file of the checkpoint, which also keeps the final weights.
        every: epochs between checkpoints; the last epoch always writes one.
        advance: function that gets the epochs done, the total, and the last epoch.

    Raises:
        UserError: the checkpoint is damaged, of another training, or cannot be written.
        FloatingPointError: the training diverged.
    """
    trainer = NetworkTrainer(job, images, checkpoint)
    total = job.settings.epochs
    done = len(trainer.epochs)
    last = trainer.epochs[-1] if done else None
    advance(done, total, last)
    while done < total:
        measured = trainer.epoch()
        done += 1
        if done % every == 0 or done == total:
            trainer.save()
        advance(done, total, measured)
    return trainer.trained()
