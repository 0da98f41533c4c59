"""Protocols: how a selected architecture is trained to the end, as data.

A protocol consists of settings and, for each space, a skeleton. A record lists the
settings that differ from the protocol's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archselect.benchmarks.store.facts import Settings
from archselect.nasbench_adapters.errors import Faults, UserError, unknown
from archselect.nasbench_adapters.limits import MOST_EPOCHS, MOST_IMAGES_AT_ONCE
from archselect.nasbench_adapters.space import build_skeleton
from archselect.nasbench_adapters.spaces import get_space, unrestricted_name


class TrainingSettings(BaseModel):
    """All settings of a final training.

    Settings:
        epochs, batch_size: passes over all training images in random order; the last
            batch can be smaller.
        learning_rate, learning_rate_min, schedule, gamma: learning rate of SGD. Per
            epoch, it goes from the first value to the second ("cosine" or "linear"), or
            is multiplied by gamma ("exponential").
        momentum, nesterov, weight_decay: settings of SGD.
        grad_clip: maximal norm of the whole gradient; 0 for no clipping.
        augment: whether to crop and flip at random, as the data set defines it.
        flip: whether augmentation may flip, if the data set allows it.
        cutout: side of the square cut out of every training image, in pixels; 0 for
            none.
        label_smoothing: label smoothing of the training loss.
        auxiliary_weight: weight of the auxiliary head's loss; 0 for no head.
        drop_path: final probability of dropping an operation, per image. It grows
            linearly: in epoch e of E, counted from 0, it is drop_path * e / E. Outputs
            that are kept are divided by the probability of keeping them.
        precision: "float32", or autocast to "bf16" or "fp16" (with gradient scaling).
            Weights stay in float32.
        compile: whether to compile the network with torch.compile.
        limit: number of first training images and of first test images to use, for
            trying out a protocol; None for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(ge=1, le=MOST_EPOCHS)
    batch_size: int = Field(ge=2, le=MOST_IMAGES_AT_ONCE)
    learning_rate: float = Field(gt=0)
    learning_rate_min: float = Field(default=0.0, ge=0)
    schedule: Literal["cosine", "linear", "exponential"] = "cosine"
    gamma: float = Field(default=1.0, gt=0, le=1)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(ge=0)
    grad_clip: float = Field(default=0.0, ge=0)
    augment: bool = True
    flip: bool = True
    cutout: int = Field(default=0, ge=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    auxiliary_weight: float = Field(default=0.0, ge=0)
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    compile: bool = False
    limit: int | None = Field(default=None, ge=2)


@dataclass(frozen=True)
class Protocol:
    """A named way of training to the end.

    Attributes:
        name: name on the command line and in studies.
        summary: description in one line.
        source: paper and code that the protocol follows.
        data: default data set.
        skeletons: settings of the skeleton for each space; the first space is the
            default.
        settings: settings of the training.
    """

    name: str
    summary: str
    source: str
    data: str
    skeletons: Mapping[str, Settings]
    settings: TrainingSettings

    def skeleton(self, space: str) -> Settings | None:
        """Return the settings of a space's skeleton; None if the protocol has none.

        A restricted space has the skeleton of its unrestricted space.
        """
        return self.skeletons.get(unrestricted_name(space))


DARTS_SPACES = (
    *("darts", "darts-none", "darts-no-skip", "darts-all-skip"),
    *("s1", "s2", "s3", "s4"),
)
SINGLE_CELLS = ("single-cell", "single-cell-no-skip", "single-cell-all-skip")
NB101_SPACES = ("nb101", "nb1shot1-1", "nb1shot1-2", "nb1shot1-3")
WIRING_SPACES = ("minimal", "wiring")


def _for_each(spaces: Iterable[str], skeleton: Settings) -> dict[str, Settings]:
    """Return the same skeleton for several spaces."""
    return dict.fromkeys(spaces, skeleton)


_CIFAR = TrainingSettings(
    epochs=600,
    batch_size=96,
    learning_rate=0.025,
    weight_decay=3e-4,
    grad_clip=5.0,
    cutout=16,
    auxiliary_weight=0.4,
    drop_path=0.2,
)
_DARTS_PT = "Liu et al., ICLR 2019; Wang et al., ICLR 2021, released code (sota/cnn/train.py, exp_scripts/eval*.sh)"

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="darts-cifar10",
            summary="36 channels, 20 layers, 600 epochs",
            source=_DARTS_PT,
            data="cifar10",
            skeletons=_for_each(DARTS_SPACES, {"channels": 36, "layers": 20}),
            settings=_CIFAR,
        ),
        Protocol(
            name="darts-cifar100",
            summary="16 channels, 8 layers, 600 epochs",
            source=_DARTS_PT,
            data="cifar100",
            skeletons=_for_each(DARTS_SPACES, {"channels": 16, "layers": 8}),
            settings=_CIFAR,
        ),
        Protocol(
            name="darts-svhn",
            summary="16 channels, 8 layers, 600 epochs; flips too, as the released code does",
            source=_DARTS_PT,
            data="svhn",
            skeletons=_for_each(DARTS_SPACES, {"channels": 16, "layers": 8}),
            settings=_CIFAR,
        ),
        Protocol(
            name="darts-imagenet",
            summary="48 channels, 14 layers, 250 epochs at 224x224",
            # There, the learning rate falls by 3 % per epoch; in P-DARTS and PC-DARTS
            # it falls linearly.
            source="Liu et al., ICLR 2019; released code of DARTS-PT and Zero-Cost-PT (sota/cnn/train_imagenet.py)",
            data="ImageNet",
            skeletons=_for_each(
                DARTS_SPACES, {"channels": 48, "layers": 14, "stem": "imagenet"}
            ),
            settings=TrainingSettings(
                epochs=250,
                batch_size=128,
                learning_rate=0.1,
                schedule="exponential",
                gamma=0.97,
                weight_decay=3e-5,
                grad_clip=5.0,
                label_smoothing=0.1,
                auxiliary_weight=0.4,
            ),
        ),
        Protocol(
            name="confopt",
            summary="18 channels, 4 layers, 300 epochs; the single cell with 26 channels",
            # One of nine settings in the paper; the others have another learning rate
            # or weight decay. Their networks also normalise poolings.
            source="Jha et al., AutoML-Conf 2025; released code (scripts/benchsuite_experiments, discrete_trainer.py)",
            data="cifar10",
            skeletons={
                **_for_each(DARTS_SPACES, {"channels": 18, "layers": 4}),
                **_for_each(SINGLE_CELLS, {"channels": 26}),
            },
            settings=TrainingSettings(
                epochs=300,
                batch_size=512,
                learning_rate=0.025,
                weight_decay=3e-4,
                grad_clip=5.0,
                cutout=16,
                drop_path=0.3,
            ),
        ),
        Protocol(
            name="nb201",
            summary="as in NAS-Bench-201: 16 channels, 5 cells per stage, 200 epochs",
            source="Dong and Yang, ICLR 2020; released code (configs/nas-benchmark/hyper-opts/200E.config)",
            data="cifar10",
            skeletons={"nb201": {"channels": 16, "cells": 5, "reduction": "residual"}},
            settings=TrainingSettings(
                epochs=200,
                batch_size=256,
                learning_rate=0.1,
                nesterov=True,
                weight_decay=5e-4,
            ),
        ),
        Protocol(
            name="nb-macro",
            summary="as in NAS-Bench-Macro: 32 channels, 50 epochs",
            source="Su et al., CVPR 2021; released code (train/train.py)",
            data="cifar10",
            skeletons={"nb-macro": {"channels": 32}},
            settings=TrainingSettings(
                epochs=50,
                batch_size=256,
                learning_rate=0.1,
                weight_decay=5e-4,
            ),
        ),
        Protocol(
            name="mobilenet-imagenet",
            summary="40 channels, 250 epochs at 224x224",
            # The released code has the networks, with a dropout of 0.2 before the
            # classifier, but no script that trains them.
            source="ours: darts-imagenet without an auxiliary head, for as many epochs as Zero-Cost-PT trains",
            data="ImageNet",
            skeletons={"mobilenet": {"channels": 40, "resolution": 224}},
            settings=TrainingSettings(
                epochs=250,
                batch_size=128,
                learning_rate=0.1,
                schedule="exponential",
                gamma=0.97,
                weight_decay=3e-5,
                grad_clip=5.0,
                label_smoothing=0.1,
            ),
        ),
        Protocol(
            name="tiny",
            summary="a small network on small images, for learning and tests",
            source="ours",
            data="digits",
            skeletons={
                **_for_each(DARTS_SPACES, {"channels": 4, "layers": 5}),
                **_for_each(SINGLE_CELLS, {"channels": 4}),
                "nb201": {"channels": 4, "cells": 1, "reduction": "residual"},
                **_for_each(
                    NB101_SPACES, {"channels": 8, "cells": 1, "momentum": "benchmark"}
                ),
                **_for_each(WIRING_SPACES, {"channels": 4, "layers": 3}),
                "nb-macro": {"channels": 4},
                "mobilenet": {"channels": 4, "resolution": 32},
            },
            settings=TrainingSettings(
                epochs=16,
                batch_size=64,
                learning_rate=0.1,
                weight_decay=3e-4,
                grad_clip=5.0,
                cutout=2,
                drop_path=0.1,
            ),
        ),
    )
}


@dataclass(frozen=True)
class ResolvedProtocol:
    """A protocol for one space, with a value for every setting.

    Attributes:
        protocol: the protocol as published.
        settings: settings of the training.
        skeleton: settings of the space's skeleton.
        overrides: values that differ from the protocol, by key; keys of the skeleton
            are `skeleton.KEY`.
    """

    protocol: Protocol
    settings: TrainingSettings
    skeleton: Settings
    overrides: Settings


def get_protocol(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises UserError if there is none; the message suggests the nearest name.
    """
    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def resolve_protocol(
    name: str,
    space: str,
    settings: Mapping[str, Any],
    skeleton: Settings | None = None,
) -> ResolvedProtocol:
    """Return a protocol for a space, with some settings replaced.

    Args:
        name: name of the protocol.
        space: name of the space.
        settings: settings of the training that replace the protocol's.
        skeleton: settings of the skeleton that replace the protocol's.

    Raises:
        UserError: the protocol is unknown or not for this space, or a setting is
            unknown or out of range.
    """
    protocol = get_protocol(name)
    published_skeleton = _skeleton_for(protocol, space)
    new_skeleton = published_skeleton | (skeleton or {})
    _check_names(protocol, space, settings, new_skeleton)
    published = protocol.settings.model_dump()
    try:
        new_settings = TrainingSettings.model_validate(published | dict(settings))
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise UserError(f"protocol {name}: {key}: {fault['msg']}") from error
    has_auxiliary = get_space(space).skeleton(**new_skeleton).auxiliary is not None
    if new_settings.auxiliary_weight and not has_auxiliary:
        raise UserError(
            f"space {space} has no auxiliary head: leave auxiliary_weight at 0"
        )
    overrides: Settings = _changed_values(new_settings.model_dump(), published)
    for key, value in _changed_values(new_skeleton, published_skeleton).items():
        overrides[f"skeleton.{key}"] = value
    return ResolvedProtocol(protocol, new_settings, new_skeleton, overrides)


def _skeleton_for(protocol: Protocol, space: str) -> Settings:
    """Return the protocol's skeleton for a space.

    Raises UserError if the protocol is not for this space, or the space is unknown.
    """
    skeleton = protocol.skeleton(space)
    if skeleton is not None:
        return skeleton
    get_space(space)  # raises for an unknown name
    others = [
        other.name for other in PROTOCOLS.values() if other.skeleton(space) is not None
    ]
    raise UserError(
        f"protocol {protocol.name} is not for space {space}; protocols for it: {', '.join(others) or 'none'}"
    )


def _check_names(
    protocol: Protocol,
    space: str,
    settings: Mapping[str, Any],
    skeleton: Settings,
) -> None:
    """Raise UserError, with all faults, for unknown settings or a wrong skeleton."""
    known = list(TrainingSettings.model_fields)
    faults = Faults()
    for key in settings:
        if key not in known:
            faults.add(unknown(f"setting of protocol {protocol.name}", key, known))
    with faults.collect():
        build_skeleton(get_space(space), skeleton)
    faults.raise_any()


def _changed_values(settings: Settings, standard: Settings) -> Settings:
    """Return the settings whose values differ from the standard ones."""
    return {key: value for key, value in settings.items() if standard.get(key) != value}
