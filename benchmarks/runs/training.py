"""Final training: one architecture from scratch by a protocol, with checkpoints from which it goes on bit by bit.

Random numbers of an epoch come from streams of that epoch (order and augmentation,
dropped paths), so a checkpoint is weights, optimiser and the epochs measured so far.
Nothing waits for the device but once per epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

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


def learning_rate(settings: TrainingSettings, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0."""
    first, last, done = (
        settings.learning_rate,
        settings.learning_rate_min,
        epoch / settings.epochs,
    )
    if settings.schedule == "exponential":
        return first * settings.gamma**epoch
    left = (
        (1 + math.cos(math.pi * done)) / 2
        if settings.schedule == "cosine"
        else 1 - done
    )
    return last + (first - last) * left


def drop_path(settings: TrainingSettings, epoch: int) -> float:
    """The probability with which an operation is dropped in an epoch, counted from 0."""
    return settings.drop_path * epoch / settings.epochs


def new_network(job: TrainingJob, image_channels: int, classes: int) -> Any:
    """The network of a training with its initial weights, on the CPU; see :func:`.networks.build_network`."""
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


class NetworkTrainer:
    """Trains the network of a job on a device, epoch by epoch.

    Args:
        job: what to train and how.
        images: the data, on the device to use.
        checkpoint: where it is kept, and taken from if it is there.

    Attributes:
        network: moved in place.
        epochs: what was measured so far.

    Raises:
        UserError: the checkpoint is damaged or of another training.
    """

    def __init__(
        self, job: TrainingJob, images: Images | StreamedImages, checkpoint: Path
    ) -> None:
        self.job, self.images, self.checkpoint = job, images, checkpoint
        self.settings = job.settings
        self.epochs: list[TrainingEpoch] = []
        start = perf_counter()
        self.clock, self.memory = PhaseClock(images.device), PeakMemory(images.device)
        dataset, device = images.dataset, images.device
        network = new_network(job, dataset.channels, dataset.classes)
        self.network = network.to(device, memory_format=torch.channels_last)
        self.cost = ForwardCost(self.network, images.image_shape)()
        self._optimizer = torch.optim.SGD(
            self.network.parameters(),
            self.settings.learning_rate,
            momentum=self.settings.momentum,
            nesterov=self.settings.nesterov,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=self.settings.precision == "fp16"
        )
        self._training_logits, self._logits = (
            self.network.training_logits,
            self.network.forward,
        )
        self._warmup, self._peak, self._sessions = 0.0, 0, 1
        self._commit: str | None = commit()
        saved = load_tensors_if_present(checkpoint)
        if saved is not None:
            self._restore(saved)
        self._warmup += perf_counter() - start
        if self.settings.compile:
            self._compile()

    def _compile(self) -> None:
        """Have the code made for every size of batch, apart from the training; the network is left as it is."""
        self._training_logits = torch.compile(self.network.training_logits)
        self._logits = torch.compile(self.network.forward)
        before = deepcopy(self.network.state_dict())
        index, size = self.images.index("all"), self.settings.batch_size
        sizes = [
            dict.fromkeys([size, len(self.images.index(part)) % size or size])
            for part in ("all", "test")
        ]
        with self.clock.phase("compile"):
            self.network.train()
            for count, drop in product(
                sizes[0], dict.fromkeys([0.0, self.settings.drop_path])
            ):
                x, y = self.images.batch(index[:count])
                self._loss(
                    x, y, self._paths(count, drop, torch.Generator().manual_seed(0))
                )[0].backward()
            self.network.eval()
            with torch.no_grad(), autocast(self.images.device, self.settings.precision):
                for count in sizes[1]:
                    self._logits(self.images.batch(index[:count])[0])
        self._optimizer.zero_grad()
        self.network.load_state_dict(before)

    def epoch(self) -> TrainingEpoch:
        """Train and test one more epoch.

        Raises FloatingPointError if a loss is no longer finite.
        """
        done = len(self.epochs)
        rate, drop = learning_rate(self.settings, done), drop_path(self.settings, done)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        with self.clock.phase("train"):
            train_loss, train_accuracy = self._train(done, drop)
        if not math.isfinite(train_loss):
            raise FloatingPointError(
                f"the training loss is {train_loss} in epoch {done + 1}"
            )
        with self.clock.phase("test"):
            test_loss, test_accuracy = self._test()
        if not math.isfinite(test_loss):
            raise FloatingPointError(
                f"the test loss is {test_loss} in epoch {done + 1}"
            )
        self.epochs.append(
            TrainingEpoch(
                learning_rate=rate,
                drop_path=drop,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
            )
        )
        return self.epochs[-1]

    def _train(self, epoch: int, drop: float) -> tuple[float, float]:
        """(loss, accuracy) of one pass over the training images."""
        settings, seed = self.settings, self.job.inputs.seed
        batches = torch.Generator().manual_seed(
            stream_seed("training batches", seed, epoch)
        )
        paths = torch.Generator().manual_seed(
            stream_seed("training paths", seed, epoch)
        )
        self.network.train()
        sums = _Sums(self.images.device)
        for x, y in self.images.epoch(
            "all",
            settings.batch_size,
            batches,
            settings.augment,
            cutout=settings.cutout,
        ):
            loss, logits = self._loss(x, y, self._paths(len(y), drop, paths))
            self._optimizer.zero_grad()
            self._scaler.scale(loss).backward()
            if settings.grad_clip:
                self._scaler.unscale_(self._optimizer)
                nn.utils.clip_grad_norm_(self.network.parameters(), settings.grad_clip)
            self._scaler.step(self._optimizer)
            self._scaler.update()
            sums.add(loss.detach(), logits, y)
        return sums.read()

    def _loss(
        self, x: Tensor, y: Tensor, paths: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The loss to minimise, and the logits (batch, classes) of the main head."""
        settings = self.settings
        with autocast(self.images.device, self.settings.precision):
            logits, auxiliary = self._training_logits(x, paths)
        loss = F.cross_entropy(
            logits.float(), y, label_smoothing=settings.label_smoothing
        )
        if auxiliary is not None:
            second = F.cross_entropy(
                auxiliary.float(), y, label_smoothing=settings.label_smoothing
            )
            loss = loss + settings.auxiliary_weight * second
        return loss, logits.detach()

    def _paths(
        self, batch: int, drop: float, generator: torch.Generator
    ) -> Tensor | None:
        """(droppable, batch) factors of the operations' outputs, drawn on the CPU; None if none is dropped."""
        if not drop or not self.network.droppable:
            return None
        kept = torch.empty(self.network.droppable, batch).bernoulli_(
            1 - drop, generator=generator
        )
        dtype = AUTOCAST.get(self.settings.precision, torch.float32)
        return (kept / (1 - drop)).to(self.images.device, dtype, non_blocking=True)

    def _test(self) -> tuple[float, float]:
        """(loss, accuracy) on the test images."""
        self.network.eval()
        sums = _Sums(self.images.device)
        with torch.no_grad():
            for x, y in self.images.sequential("test", self.settings.batch_size):
                with autocast(self.images.device, self.settings.precision):
                    logits = self._logits(x)
                sums.add(F.cross_entropy(logits.float(), y), logits, y)
        return sums.read()

    def save(self) -> None:
        """Write the checkpoint, whole or not at all.

        Raises UserError if the folder cannot take it.
        """
        save_tensors(
            self.checkpoint,
            {
                "training": self.job.id,
                "weights": self.network.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "scaler": self._scaler.state_dict(),
                "epochs": [epoch.model_dump_json() for epoch in self.epochs],
                "clock": self.clock.state(),
                "warmup": self._warmup,
                "peak_memory": max(self._peak, self.memory.read()),
                "sessions": self._sessions,
            },
            self._commit,
        )

    def _restore(self, content: dict[str, Any]) -> None:
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
            self._warmup, self._peak = (
                float(content["warmup"]),
                int(content["peak_memory"]),
            )
            self._sessions = int(content["sessions"]) + 1
        finished = len(self.epochs) == self.settings.epochs
        made_by = read_commit(self.checkpoint)
        self._commit = made_by if finished else same_commit(made_by, commit())

    def trained(self) -> Trained:
        """The record of the finished training."""
        inputs = self.job.inputs
        space = get_space(inputs.space)
        accuracies = [epoch.test_accuracy for epoch in self.epochs]
        best = max(accuracies)
        return Trained(
            id=self.job.id,
            inputs=inputs,
            overrides=self.job.overrides,
            graph=[
                CellGraph.model_validate(cell)
                for cell in space.graph(space.parse(inputs.architecture))
            ],
            parameters=sum(
                p.numel()
                for name, p in self.network.named_parameters()
                if "auxiliary" not in name
            ),
            flops=self.cost,
            epochs=self.epochs,
            last_accuracy=accuracies[-1],
            best_accuracy=best,
            best_epoch=accuracies.index(best) + 1,
            cost=TrainingCost(
                phases=self.clock.times(),
                counts=self._counts(),
                warmup=self._warmup,
                peak_memory=max(self._peak, self.memory.read()),
                memory_kind=self.memory.kind,
                machine=describe_machine(self.images.device),
                sessions=self._sessions,
            ),
            code_version=code_version(),
            commit=self._commit,
        )

    def _counts(self) -> dict[str, Counts]:
        """Forwards, backwards, images and FLOPs, which follow from the settings; the auxiliary head is not counted."""
        epochs, size = len(self.epochs), self.settings.batch_size
        train, test = (
            epochs * len(self.images.index(part)) for part in ("all", "test")
        )
        steps, tests = (
            epochs * -(-len(self.images.index(part)) // size)
            for part in ("all", "test")
        )
        return {
            "train": Counts(
                forwards=steps,
                backwards=steps,
                images=train,
                flops=3 * train * self.cost,
            ),
            "test": Counts(forwards=tests, images=test, flops=test * self.cost),
        }


class _Sums:
    """Mean loss and accuracy over batches, added up on the device."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._right = torch.zeros((), dtype=torch.long, device=device)
        self._count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """A batch: its mean loss, logits (batch, classes), labels (batch,)."""
        self._loss += loss.double() * len(labels)
        self._right += (logits.argmax(1) == labels).sum()
        self._count += len(labels)

    def read(self) -> tuple[float, float]:
        """(mean loss, accuracy in per cent). Waits for the device."""
        return float(self._loss) / self._count, 100 * int(self._right) / self._count


Advance = Callable[[int, int, TrainingEpoch | None], None]


def train_network(
    job: TrainingJob,
    images: Images | StreamedImages,
    checkpoint: Path,
    every: int = 1,
    advance: Advance = lambda done, total, epoch: None,
) -> Trained:
    """Train an architecture to the end, going on from its checkpoint.

    Args:
        job: what to train and how.
        images: the data, on the device to use.
        checkpoint: its file; it is kept, with the final weights, when the training is
            finished.
        every: epochs between checkpoints; the last epoch always has one.
        advance: told (epochs done, epochs in all, the last of them).

    Raises:
        UserError: see :class:`NetworkTrainer`; or the checkpoint cannot be written.
        FloatingPointError: the training diverged.
    """
    trainer = NetworkTrainer(job, images, checkpoint)
    total = job.settings.epochs
    advance(len(trainer.epochs), total, trainer.epochs[-1] if trainer.epochs else None)
    while len(trainer.epochs) < total:
        measured = trainer.epoch()
        done = len(trainer.epochs)
        if done % every == 0 or done == total:
            trainer.save()
        advance(done, total, measured)
    return trainer.trained()
