"""What archselect and installed packages have of a kind, by name: selectors, optimisers, proxies, spaces.

A package declares its own under an entry-point group, for example in its
pyproject.toml::

    [project.entry-points."archselect.selectors"]
    my-selector = "my_package.my_module:MySelector"

It is imported when its name is asked for, or all of the kind are listed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from archselect.nasbench_adapters.errors import Notice, UserError, unknown
from archselect.nasbench_adapters.foreign_text import check_label

Thing = TypeVar("Thing")


class PluginWarning(Notice):
    """A package's own selector, optimiser, proxy or space cannot be used."""


def check_entry_name(name: str, own: str) -> None:
    """Raises ValueError, with the mend, if an entry point's name is not what its thing calls itself, or no label."""
    check_label(own)
    if own != name:
        raise ValueError(f"it calls itself '{own}'; declare it under that name")


class Registry(Generic[Thing]):
    """Built-in things of a kind, and those of installed packages.

    Args:
        kind: what they are, for messages.
        group: the entry-point group.
        built_in: archselect's own, by name.
        accept: the thing of a name and what its entry point names. Raises ValueError,
            with the mend, if it is none.
        aliases: other usual names of archselect's own, which errors hint at; nothing is
            found by them.
        key: what users name one by, if that is not its kind.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, Thing],
        accept: Callable[[str, Any], Thing],
        aliases: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> None:
        self.kind, self.group, self.built_in, self._accept = (
            kind,
            group,
            built_in,
            accept,
        )
        self._aliases = aliases or {}
        self._key = key or kind
        self._loaded: dict[str, Thing] = {}

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        """Entry points by name.

        Those named like something there already are left out, with a warning.
        """
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name in self.built_in or point.name in found:
                self._warn(point, f"there is another {self.kind} of that name")
            else:
                found[point.name] = point
        return found

    def get(self, name: str) -> Thing:
        """The thing of that name.

        Raises UserError if there is none, with the nearest name, or if the package that
        declares it is broken.
        """
        if name in self.built_in:
            return self.built_in[name]
        if name not in self._plugins:
            raise unknown(self._key, name, self.names, self._aliases)
        try:
            return self._load(name)
        except ValueError as error:
            raise UserError(
                f"{self._called(self._plugins[name])} cannot be used: {error}"
            ) from error

    @property
    def names(self) -> list[str]:
        """The names of all, archselect's own first."""
        return [*self.built_in, *self._plugins]

    def all(self) -> dict[str, Thing]:
        """All by name, archselect's own first.

        Those that are broken are left out, with a warning.
        """
        found = dict(self.built_in)
        for name, point in self._plugins.items():
            try:
                found[name] = self._load(name)
            except ValueError as error:
                self._warn(point, str(error))
        return found

    def source(self, name: str) -> str | None:
        """The package and version that a name comes from; None for archselect's own, and for unknown names."""
        point = self._plugins.get(name)
        if point is None:
            return None
        return f"{point.dist.name} {point.dist.version}" if point.dist else point.value

    def _load(self, name: str) -> Thing:
        if name not in self._loaded:
            try:
                loaded = self._plugins[name].load()
            except (
                Exception,
                SystemExit,
            ) as error:  # whatever a package does when it is imported
                raise ValueError(
                    f"{type(error).__name__}: {' '.join(str(error).split())}"
                ) from error
            self._loaded[name] = self._accept(name, loaded)
        return self._loaded[name]

    def _called(self, point: EntryPoint) -> str:
        package = (
            f" of package {point.dist.name} {point.dist.version}" if point.dist else ""
        )
        return f"{self.kind} '{point.name}'{package} ({point.value})"

    def _warn(self, point: EntryPoint, why: str) -> None:
        warnings.warn(
            f"{self._called(point)} is left out: {why}", PluginWarning, stacklevel=3
        )
