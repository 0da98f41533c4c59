"""Registries of selectors, optimisers, proxies and spaces, by name.

A registry has the components of archselect and those of installed packages. A package
declares its components under an entry-point group, for example in pyproject.toml::

    [project.entry-points."archselect.selectors"]
    my-selector = "my_package.my_module:MySelector"

archselect imports the package when it needs one of these names, or lists all of a kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from archselect.nasbench_adapters.errors import Notice, UserError, unknown
from archselect.nasbench_adapters.foreign_text import check_label

Component = TypeVar("Component")


class PluginWarning(Notice):
    """A warning: a package's selector, optimiser, proxy or space cannot be used."""


def check_entry_name(name: str, own_name: str) -> None:
    """Raise ValueError if an entry point's name differs from its component's name.

    Raises it also if reports cannot show the name. The message says how to fix it.
    """
    check_label(own_name)
    if own_name != name:
        raise ValueError(f"its name is '{own_name}'; declare it under that name")


class Registry(Generic[Component]):
    """Components of one kind: those of archselect, and those of installed packages.

    Args:
        kind: Kind of the components, for messages.
        group: Entry-point group.
        built_in: Components of archselect, by name.
        accept: `accept(name, loaded)` returns the component of an entry point. It
            raises ValueError, which says how to fix it, if the loaded object is not a
            component of this kind.
        aliases: Other common names of archselect's components. Error messages use them
            for hints; :meth:`get` does not accept them.
        key: Word for a component in messages, if it differs from its kind.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, Component],
        accept: Callable[[str, Any], Component],
        aliases: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> None:
        self.kind = kind
        self.group = group
        self.built_in = built_in
        self._accept = accept
        self._aliases = aliases or {}
        self._key = key or kind
        self._loaded: dict[str, Component] = {}

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        """Entry points by name.

        An entry point whose name is taken is left out, with a warning.
        """
        points: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name in self.built_in or point.name in points:
                self._warn(point, f"another {self.kind} already has that name")
            else:
                points[point.name] = point
        return points

    def get(self, name: str) -> Component:
        """Return the component with a name.

        Raises UserError, which suggests the nearest name, if there is none; also if the
        component's package is broken.
        """
        if name in self.built_in:
            return self.built_in[name]
        if name not in self._plugins:
            raise unknown(self._key, name, self.names, self._aliases)
        try:
            return self._load(name)
        except ValueError as error:
            component = self._describe(self._plugins[name])
            raise UserError(f"{component} cannot be used: {error}") from error

    @property
    def names(self) -> list[str]:
        """Names of all components, those of archselect first."""
        return [*self.built_in, *self._plugins]

    def all(self) -> dict[str, Component]:
        """Return all components by name, those of archselect first.

        Broken ones are left out, with a warning.
        """
        components = dict(self.built_in)
        for name, point in self._plugins.items():
            try:
                components[name] = self._load(name)
            except ValueError as error:
                self._warn(point, str(error))
        return components

    def source(self, name: str) -> str | None:
        """Return the package and version that a name comes from.

        Returns None for archselect's components and for unknown names.
        """
        point = self._plugins.get(name)
        if point is None:
            return None
        return _package_of(point) or point.value

    def _load(self, name: str) -> Component:
        """Return the component of an entry point, and load it the first time.

        Raises ValueError if loading fails, or if it is not a component of this kind.
        """
        if name not in self._loaded:
            try:
                loaded = self._plugins[name].load()
            # Importing a package can raise any error.
            except (Exception, SystemExit) as error:
                words = str(error).split()
                raise ValueError(
                    f"{type(error).__name__}: {' '.join(words)}"
                ) from error
            self._loaded[name] = self._accept(name, loaded)
        return self._loaded[name]

    def _describe(self, point: EntryPoint) -> str:
        package = _package_of(point)
        origin = f" of package {package}" if package else ""
        return f"{self.kind} '{point.name}'{origin} ({point.value})"

    def _warn(self, point: EntryPoint, why: str) -> None:
        message = f"{self._describe(point)} is left out: {why}"
        warnings.warn(message, PluginWarning, stacklevel=3)


def _package_of(point: EntryPoint) -> str:
    """Return name and version of the package of an entry point; "" if not known."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else ""
