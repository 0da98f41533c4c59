"""Registries of classes that users write in a package or a file (`mine.py:Mine`)."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.foreign_text import check_label
from archselect.nasbench_adapters.input_files import expand
from archselect.nasbench_adapters.plugins.registry import Registry, check_entry_name
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


class UserClasses(Registry[type[Model]]):
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
    ) -> None:
        super().__init__(kind, group, built_in, self._accept_declared, key=key)
        self._texts = texts
        self._base = base
        self._method = method
        self._check = check

    def get(self, name: str) -> type[Model]:
        """Return the class with a name, or of FILE.py:CLASS.

        Args:
            name: Name of a class of archselect or of an installed package; or the path
                of a Python file (which is executed), a colon and the name of a class in
                the file. The class may be omitted if the file has only one.

        Raises:
            UserError: The name is unknown, or the file or the class cannot be used. The
                message names the place.
        """
        path, class_name = _split(name)
        if path is None:
            return super().get(name)
        return self._load_from_file(path, class_name)

    def source(self, name: str) -> str | None:
        """Return the hash of a class's code, or its package and version.

        The hash covers the file and everything that it imports from its folder.

        Returns None for archselect's classes and for unknown names. Raises UserError if
        there is no such file.
        """
        path, _ = _split(name)
        if path is None:
            return super().source(name)
        return f"file {self._read(path).hash}"

    def source_of(self, kind: type[Model], name: str) -> str | None:
        """Return the source of a class that :meth:`get` returned.

        It describes the loaded code. The file may have changed since then;
        :meth:`source` reads it again.
        """
        code = find_loaded_code(kind)
        if code is None:
            return super().source(name)
        return f"file {code.hash}"

    def check_class(self, candidate: Any) -> type[Model]:
        """Return a class if studies can use it.

        Raises ValueError, which says how to fix it, if the class lacks something.
        """
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
        kind = self.check_class(candidate)
        check_entry_name(name, kind.name)  # type: ignore[attr-defined]
        return kind

    @property
    def _base_name(self) -> str:
        return f"{self._base.__module__}.{self._base.__name__}"

    def _load_from_file(self, path: Path, class_name: str) -> type[Model]:
        """Return a class of a file, and execute the file the first time.

        Raises UserError if the file raises an error, or has no such class.
        """
        module = _execute(self._read(path))
        classes = self._classes_in(module)
        if not class_name and len(classes) == 1:
            class_name = next(iter(classes))
        if not class_name:
            raise UserError(
                f"{path} has {len(classes)} {self.kind}s: name one, as {path}:CLASS "
                f"({', '.join(classes) or 'none'})"
            )
        if class_name not in classes and hasattr(module, class_name):
            raise UserError(
                f"{path}: {class_name} is not among the {self.kind}s of this file: "
                f"derive it there from {self._base_name}"
            )
        if class_name not in classes:
            raise unknown(f"{self.kind} in {path}", class_name, classes)
        kind = classes[class_name]
        try:
            rebuild = getattr(kind, "model_rebuild", None)
            if rebuild is not None:
                rebuild()
        except NameError as error:
            raise UserError(f"{path}: {class_name}: {describe_error(error)}") from error
        try:
            return self.check_class(kind)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error

    def _classes_in(self, module: ModuleType) -> dict[str, type[Model]]:
        """Return the classes of this kind that a module defines, by name."""
        return {
            name: kind
            for name, kind in vars(module).items()
            if inspect.isclass(kind)
            and issubclass(kind, self._base)
            and kind.__module__ == module.__name__
        }

    def _read(self, path: Path) -> UserCode:
        """Return the code of a file.

        Raises UserError if there is no such file, or like :func:`read_code`.
        """
        if not path.is_file():
            example = f"my_{self.kind}.py:My{self.kind.capitalize()}"
            raise UserError(
                f"there is no file {path}: name a Python file and a class in it, as "
                f"{example}"
            )
        return read_code(path)


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
