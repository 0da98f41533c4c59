"""What determines a run; the hash of it is the record's name."""

from __future__ import annotations

from archselect.benchmarks.store.facts import (
    Fact,
    Numbers,
    Seed,
    Settings,
    content_id,
)


class DataInputs(Fact):
    """The images a run saw: data set, checksum of its arrays, and how training images were split in two halves."""

    name: str
    checksum: str
    train_images: int
    valid_images: int
    split: str
    augment: str


class SupernetInputs(Fact):
    """The supernet's recipe and the settings of the skeleton it has.

    `source` says where what is not archselect's own comes from: the hash of the
    optimiser's file, and package and version of plugins (the optimiser, the space);
    None, and then not written, if there is no such thing.
    """

    recipe: str
    settings: Settings
    skeleton: Settings
    source: str | None = None


class SelectorInputs(Fact):
    """A selector by name, label (unique within a study) and settings.

    `source` says where what is not archselect's own comes from: the hash of the
    selector's file, and package and version of plugins (the selector, its space,
    proxies that it names); None if there is no such thing.
    """

    name: str
    label: str
    settings: Settings
    source: str | None = None


class Formulations(Fact):
    """The formulation numbers of all that archselect itself contributes to a run; see :mod:`.formulations`.

    `supernet` has those of the optimiser, the space, the networks and the images.
    `selector` has those of the selector and of the proxies that it may ask for.
    """

    supernet: Numbers
    selector: Numbers


class Inputs(Fact):
    """All that determines a run on one device type; its hash is the record's name.

    The version of archselect is not part of it: formulation numbers say what changed,
    and a release that changes no number keeps all results.
    """

    space: str
    data: DataInputs
    supernet: SupernetInputs
    selector: SelectorInputs
    supernet_seed: Seed
    selection_seed: Seed
    formulations: Formulations

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return content_id(self.model_dump(mode="json"))

    @property
    def supernet_id(self) -> str:
        """The name of the supernet that was read."""
        return supernet_id(
            self.space,
            self.supernet,
            self.data,
            self.supernet_seed,
            self.formulations.supernet,
        )


def supernet_id(
    space: str,
    inputs: SupernetInputs,
    data: DataInputs,
    seed: int,
    formulations: Numbers,
) -> str:
    """Return the name of a supernet: the hash of all that determines it."""
    return content_id(
        {
            "space": space,
            "supernet": inputs.model_dump(mode="json"),
            "data": data.model_dump(mode="json"),
            "seed": seed,
            "formulations": formulations,
        }
    )
