"""Classes that users write, beside archselect's own: of installed packages, or of a Python file (`mine.py:Mine`)."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping
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

Model = TypeVar("Model", bound="BaseModel")


class UserClasses(Registry[type[Model]]):
    """The classes of a kind by name, or as FILE.py:CLASS.

    Each has a name and a summary; fields are settings.

    Args:
        kind: what they are, for messages, such as "selector".
        group: the entry-point group.
        built_in: archselect's own, by name.
        base: what they derive from.
        method: the one that does the work, as it is written.
        check: what else they have to keep to. Raises ValueError, with the mend.
        key: what users name one by, if that is not its kind.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, type[Model]],
        base: type[Model],
        method: str,
        check: Callable[[type[Model]], None] = lambda found: None,
        key: str | None = None,
    ) -> None:
        super().__init__(kind, group, built_in, self._declared, key=key)
        self._base, self._method, self._check = base, method, check

    def get(self, name: str) -> type[Model]:
        """The class that a text names.

        Args:
            name: of one of archselect's own or of an installed package; or the path of
                a Python file, which is executed, a colon and the name of a class in it.
                The class may be left out where the file has one.

        Raises UserError, saying where, if the name is unknown, or the file or the class
        is no good.
        """
        path, class_name = _split(name)
        return super().get(name) if path is None else self._of_file(path, class_name)

    def source(self, name: str) -> str | None:
        """Return where the class that a text names comes from: the hash of its code, or package and version.

        The hash is that of the file and of all that it imports from its folder.

        None for archselect's own, and for unknown names. Raises UserError if there is
        no such file.
        """
        path, _ = _split(name)
        return super().source(name) if path is None else f"file {self._read(path).hash}"

    def source_of(self, kind: type[Model], name: str) -> str | None:
        """Return what :meth:`source` says of a class that :meth:`get` has returned: of the code that it was made of."""
        code = find_loaded_code(kind)
        return super().source(name) if code is None else f"file {code.hash}"

    def check_class(self, found: Any) -> type[Model]:
        """The class, if studies can use it.

        Raises ValueError, with the mend, if it lacks something.
        """
        if not inspect.isclass(found) or not issubclass(found, self._base):
            raise ValueError(
                f"it is no {self.kind}: derive a class from {self._base_name}"
            )
        if inspect.isabstract(found):
            raise ValueError(f"{found.__name__} has no method {self._method}")
        for attribute in ("name", "summary"):
            if not isinstance(getattr(found, attribute, None), str):
                raise ValueError(
                    f'{found.__name__} lacks a {attribute}: give it {attribute}: ClassVar[str] = "…"'
                )
        try:
            check_label(found.name)  # type: ignore[attr-defined]
        except ValueError as error:
            raise ValueError(f"the name of {found.__name__}: {error}") from error
        self._check(found)
        return found

    def _declared(self, name: str, found: Any) -> type[Model]:
        kind = self.check_class(found)
        check_entry_name(name, kind.name)  # type: ignore[attr-defined]
        return kind

    @property
    def _base_name(self) -> str:
        return f"{self._base.__module__}.{self._base.__name__}"

    def _of_file(self, path: Path, class_name: str) -> type[Model]:
        module = _execute(self._read(path))
        found = {
            name: kind
            for name, kind in vars(module).items()
            if inspect.isclass(kind)
            and issubclass(kind, self._base)
            and kind.__module__ == module.__name__
        }
        if not class_name and len(found) == 1:
            class_name = next(iter(found))
        if not class_name:
            raise UserError(
                f"{path} has {len(found)} {self.kind}s: name one, as {path}:CLASS ({', '.join(found) or 'none'})"
            )
        if class_name not in found and hasattr(module, class_name):
            raise UserError(
                f"{path}: {class_name} is no {self.kind}: derive it, there, from {self._base_name}"
            )
        if class_name not in found:
            raise unknown(f"{self.kind} in {path}", class_name, found)
        kind = found[class_name]
        try:
            kind.model_rebuild()
        except NameError as error:
            raise UserError(f"{path}: {class_name}: {describe_error(error)}") from error
        try:
            return self.check_class(kind)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error

    def _read(self, path: Path) -> UserCode:
        """Return the code of a file.

        Raises UserError if there is no such file, or as :func:`read_code` does.
        """
        if not path.is_file():
            example = f"my_{self.kind}.py:My{self.kind.capitalize()}"
            raise UserError(
                f"there is no file {path}: name a Python file and a class in it, as {example}"
            )
        return read_code(path)


def _split(text: str) -> tuple[Path | None, str]:
    """The file and the class that a text names; no file for a name."""
    file, colon, class_name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return expand(file), class_name
    return (expand(text), "") if text.endswith(".py") else (None, "")


def _execute(code: UserCode) -> ModuleType:
    """Return the code as a module, the same for the same content.

    Raises UserError, saying where, if it fails.
    """
    try:
        return code.load()
    except (Exception, SystemExit) as error:
        raise UserError(
            f"{locate_error(error, code.path)}: {describe_error(error)}"
        ) from error


def locate_error(error: BaseException, path: Path) -> str:
    """Return the last line of a file, or of what it imports from its folder, that an error came from, and its file."""
    place = f"{path}"
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        of_user = str(frame.f_globals.get("__name__", "")).startswith(PREFIX)
        if of_user or file == str(path.absolute()):
            place = f"{_shown(file, path)}, line {line}"
    if isinstance(error, SyntaxError) and Path(error.filename or "").is_relative_to(
        path.parent.absolute()
    ):
        place = f"{_shown(str(error.filename), path)}, line {error.lineno}"
    return place


def _shown(file: str, path: Path) -> str:
    """Return a file of a user's code in the words of the path that names the code."""
    folder = path.parent.absolute()
    return (
        f"{path.parent / Path(file).relative_to(folder)}"
        if Path(file).is_relative_to(folder)
        else file
    )


def describe_error(error: BaseException) -> str:
    """An error's type and message, in one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(message.split())}"
