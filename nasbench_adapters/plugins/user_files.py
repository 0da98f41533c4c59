"""Registries of what users write in a package or a file (`mine.py:Mine`)."""

from __future__ import annotations

import inspect
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.plugins.registry import (
    Component,
    Registry,
    check_entry_name,
)
from archselect.nasbench_adapters.plugins.user_code import (
    PREFIX,
    UserCode,
    find_loaded_code,
    read_code,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model")


def require_defaults(kind: type[BaseModel]) -> None:
    """Raise ValueError, which names the fix, for a setting without a default."""
    for name, field in kind.model_fields.items():
        if field.is_required():
            raise ValueError(
                f"{kind.__name__} has a setting {name} without a default: give it one"
            )


class UserFiles(Registry[Component], ABC):
    """Registry of components of one kind, by name or as FILE.py:NAME.

    Class attributes: placeholder: What stands for the name in messages. noun: What the
    name is of, with its article. plural: The kind in the plural, where that is not the
    kind with an "s".
    """

    placeholder = "CLASS"
    noun = "a class"
    plural = ""

    def get(self, name: str) -> Component:
        """Return the component with a name, or of FILE.py:NAME.

        Args:
            name: Name of a component of archselect or of an installed package; or the
                path of a Python file (which is executed), a colon and a name in the
                file. The name may be omitted if the file has only one component.

        Raises:
            UserError: The name is unknown, or the file or the component cannot be used.
                The message names the place.
        """
        path, name_within = _split(name)
        if path is None:
            return super().get(name)
        return self._load_from_file(path, name_within)

    def source(self, name: str) -> str | None:
        """Return the hash of a component's code, or its package and version.

        The hash covers the file and everything that it imports from its folder.

        Returns None for archselect's components and for unknown names. Raises UserError
        if there is no such file.
        """
        path, _ = _split(name)
        if path is None:
            return super().source(name)
        return f"file {self._read(path).hash}"

    @abstractmethod
    def find_in(self, module: ModuleType) -> dict[str, Component]:
        """Return the components that a user's module defines, by their names in it."""

    @abstractmethod
    def check_component(self, candidate: Any) -> Component:
        """Return a component if studies can use it.

        Raises ValueError, which says how to fix it, if it lacks something.
        """

    @property
    @abstractmethod
    def how_to_write(self) -> str:
        """What a user must do to make a component, such as "derive it there from …"."""

    def _load_from_file(self, path: Path, name: str) -> Component:
        """Return a component of a file, and execute the file the first time.

        Raises UserError if the file raises an error, or has no such component.
        """
        module = _execute(self._read(path))
        components = self.find_in(module)
        if not name and len(components) == 1:
            name = next(iter(components))
        kinds = self.plural or f"{self.kind}s"
        if not name:
            raise UserError(
                f"{path} has {len(components)} {kinds}: name one, as "
                f"{path}:{self.placeholder} ({', '.join(components) or 'none'})"
            )
        if name not in components and hasattr(module, name):
            raise UserError(
                f"{path}: {name} is not among the {kinds} of this file: "
                f"{self.how_to_write}"
            )
        if name not in components:
            raise unknown(f"{self.kind} in {path}", name, components)
        component = components[name]
        try:
            rebuild = getattr(component, "model_rebuild", None)
            if rebuild is not None:
                rebuild()
        except NameError as error:
            raise UserError(f"{path}: {name}: {describe_error(error)}") from error
        try:
            return self.check_component(component)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error

    def _read(self, path: Path) -> UserCode:
        """Return the code of a file.

        Raises UserError if there is no such file, or like :func:`read_code`.
        """
        if not path.is_file():
            example = f"my_{self.kind}.py:{self._example}"
            raise UserError(
                f"there is no file {path}: name a Python file and {self.noun} in it, as "
                f"{example}"
            )
        return read_code(path)

    @property
    def _example(self) -> str:
        """A name that a user could choose, for messages."""
        return f"My{self.kind.capitalize()}"


class UserClasses(UserFiles[type[Model]]):
    """Registry of classes of one kind, by name or as FILE.py:CLASS.

    Each class has a name and a summary, or other texts; its fields are settings.

    Args:
        kind: Kind of the classes, for messages, such as "selector".
        group: Entry-point group.
        built_in: Classes of archselect, by name.
        base: Base class of all classes.
        method: Signature of the main method, for messages.
        check: Further check of a class. Raises ValueError, which says how to fix it.
        key: Word for a class in messages, if it differs from its kind.
        texts: Class attributes that each class must have.
        plural: The kind in the plural, where that is not the kind with an "s".
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, type[Model]],
        base: type[Model],
        method: str,
        check: Callable[[type[Model]], None] | None = None,
        key: str | None = None,
        texts: Sequence[str] = ("name", "summary"),
        plural: str = "",
    ) -> None:
        super().__init__(kind, group, built_in, self._accept_declared, key=key)
        self.plural = plural
        self._texts = texts
        self._base = base
        self._method = method
        self._check = check

    def source_of(self, kind: type[Model], name: str) -> str | None:
        """Return the source of a class that :meth:`get` returned.

        It describes the loaded code. The file may have changed since then;
        :meth:`source` reads it again.
        """
        code = find_loaded_code(kind)
        if code is None:
            return super().source(name)
        return f"file {code.hash}"

    def check_component(self, candidate: Any) -> type[Model]:
        """See :meth:`UserFiles.check_component`."""
        if not inspect.isclass(candidate) or not issubclass(candidate, self._base):
            raise ValueError(
                f"it is not derived from {self._base_name}: derive a class from that"
            )
        class_name = candidate.__name__
        if inspect.isabstract(candidate):
            raise ValueError(f"{class_name} has no method {self._method}")
        for attribute in self._texts:
            if not isinstance(getattr(candidate, attribute, None), str):
                raise ValueError(
                    f"{class_name} lacks a {attribute}: give it "
                    f'{attribute}: ClassVar[str] = "…"'
                )
        try:
            check_label(candidate.name)  # type: ignore[attr-defined]
        except ValueError as error:
            raise ValueError(f"the name of {class_name}: {error}") from error
        if self._check is not None:
            self._check(candidate)
        return candidate

    def _accept_declared(self, name: str, candidate: Any) -> type[Model]:
        """Return a class that a package declares under a name, after checking both."""
        kind = self.check_component(candidate)
        check_entry_name(name, kind.name)  # type: ignore[attr-defined]
        return kind

    @property
    def how_to_write(self) -> str:
        """See :attr:`UserFiles.how_to_write`."""
        return f"derive it there from {self._base_name}"

    @property
    def _base_name(self) -> str:
        return f"{self._base.__module__}.{self._base.__name__}"

    def find_in(self, module: ModuleType) -> dict[str, type[Model]]:
        """See :meth:`UserFiles.find_in`; imported classes are left out."""
        return {
            name: kind
            for name, kind in vars(module).items()
            if inspect.isclass(kind)
            and issubclass(kind, self._base)
            and kind.__module__ == module.__name__
        }


class UserObjects(UserFiles[Component]):
    """Registry of objects of one class, by name or as FILE.py:OBJECT.

    Args:
        kind: Kind of the objects, for messages, such as "proxy".
        plural: The same in the plural.
        group: Entry-point group.
        built_in: Objects of archselect, by name.
        base: Class of all.
        aliases: See :class:`.Registry`.
    """

    placeholder = "OBJECT"
    noun = "an object"

    def __init__(
        self,
        kind: str,
        plural: str,
        group: str,
        built_in: Mapping[str, Component],
        base: type[Component],
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind, group, built_in, self._accept_declared, aliases)
        self.plural = plural
        self._base = base

    def check_component(self, candidate: Any) -> Component:
        """See :meth:`UserFiles.check_component`.

        An object may not have the name of a built-in one.
        """
        if not isinstance(candidate, self._base):
            raise ValueError(f"it is not an object of {self._base_name}")
        name: str = candidate.name  # type: ignore[attr-defined]
        try:
            check_label(name)
        except ValueError as error:
            raise ValueError(f"the name of the {self.kind}: {error}") from error
        if name in self.built_in:
            raise ValueError(
                f"archselect has a {self.kind} '{name}': give yours another name"
            )
        return candidate

    def _accept_declared(self, name: str, candidate: Any) -> Component:
        """Return an object that a package declares under a name."""
        component = self.check_component(candidate)
        check_entry_name(name, candidate.name)
        return component

    @property
    def how_to_write(self) -> str:
        """See :attr:`UserFiles.how_to_write`."""
        return f"make it there as an object of {self._base_name}"

    @property
    def _base_name(self) -> str:
        return f"{self._base.__module__}.{self._base.__name__}"

    def find_in(self, module: ModuleType) -> dict[str, Component]:
        """See :meth:`UserFiles.find_in`; archselect's objects are left out."""
        built_in = list(map(id, self.built_in.values()))
        return {
            name: value
            for name, value in vars(module).items()
            if isinstance(value, self._base) and id(value) not in built_in
        }

    @property
    def _example(self) -> str:
        return f"MY_{self.kind.upper()}"


def _split(text: str) -> tuple[Path | None, str]:
    """Return the file and the class that a text names; no file for a plain name."""
    file, colon, class_name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return expand(file), class_name
    if text.endswith(".py"):
        return expand(text), ""
    return None, ""


def _execute(code: UserCode) -> ModuleType:
    """Return the code as a module; equal content gives the same module.

    Raises UserError, which names the line, if the code raises an error.
    """
    try:
        return code.load()
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{locate_error(error, code.path)}: {describe_error(error)}"
        ) from error


def locate_error(error: BaseException, path: Path) -> str:
    """Return the file and the last line of a user's code in an error's traceback.

    The user's code is a file and everything that it imports from its folder.
    """
    place = f"{path}"
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        module_name = str(frame.f_globals.get("__name__", ""))
        if module_name.startswith(PREFIX) or file == str(path.absolute()):
            place = f"{_shorten_file(file, path)}, line {line}"
    if isinstance(error, SyntaxError):
        file = error.filename or ""
        if Path(file).is_relative_to(path.parent.absolute()):
            place = f"{_shorten_file(file, path)}, line {error.lineno}"
    return place


def _shorten_file(file: str, path: Path) -> str:
    """Return a file of a user's code relative to the path that names the code."""
    folder = path.parent.absolute()
    if not Path(file).is_relative_to(folder):
        return file
    return f"{path.parent / Path(file).relative_to(folder)}"


def describe_error(error: BaseException) -> str:
    """Return an error's type and message in one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    words = message.split()
    return f"{type(error).__name__}: {' '.join(words)}"
