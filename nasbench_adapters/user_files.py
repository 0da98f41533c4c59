"""Classes that users write, beside archselect's own: of installed packages, or of a Python file (`mine.py:Mine`)."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.registry import Registry, check_name

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")


class UserClasses(Registry[type[Model]]):
    """The classes of a kind by name, or as FILE.py:CLASS. Each has a name and a summary; fields are settings.

    Args:
        kind: what they are, for messages, such as "selector".
        group: the entry-point group.
        built_in: archselect's own, by name.
        base: what they derive from.
        method: the one that does the work, as it is written.
        check: what else they have to keep to. Raises ValueError, with the mend.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, type[Model]],
        base: type[Model],
        method: str,
        check: Callable[[type[Model]], None] = lambda found: None,
    ) -> None:
        super().__init__(kind, group, built_in, self._declared)
        self._base, self._method, self._check = base, method, check

    def get(self, name: str) -> type[Model]:
        """The class that a text names.

        Args:
            name: of one of archselect's own or of an installed package; or the path of a Python file, which is
                executed, a colon and the name of a class in it. The class may be left out where the file has one.

        Raises UserError, saying where, if the name is unknown, or the file or the class is no good.
        """
        path, class_name = _split(name)
        return super().get(name) if path is None else self._of_file(path, class_name)

    def source(self, name: str) -> str | None:
        """Where the class that a text names comes from: the hash of its file, or package and version.

        None for archselect's own, and for unknown names. Raises UserError if there is no such file.
        """
        path, _ = _split(name)
        return super().source(name) if path is None else f"file {self._hash(path)}"

    def usable(self, found: Any) -> type[Model]:
        """The class, if studies can use it. Raises ValueError, with the mend, if it lacks something."""
        if not inspect.isclass(found) or not issubclass(found, self._base):
            raise ValueError(f"it is no {self.kind}: derive a class from {self._base_name}")
        if inspect.isabstract(found):
            raise ValueError(f"{found.__name__} has no method {self._method}")
        for attribute in ("name", "summary"):
            if not isinstance(getattr(found, attribute, None), str):
                raise ValueError(f'{found.__name__} lacks a {attribute}: give it {attribute}: ClassVar[str] = "…"')
        self._check(found)
        return found

    def _declared(self, name: str, found: Any) -> type[Model]:
        kind = self.usable(found)
        check_name(name, kind.name)  # type: ignore[attr-defined]
        return kind

    @property
    def _base_name(self) -> str:
        return f"{self._base.__module__}.{self._base.__name__}"

    def _of_file(self, path: Path, class_name: str) -> type[Model]:
        module = _execute(path, self._hash(path))
        found = {
            name: kind
            for name, kind in vars(module).items()
            if inspect.isclass(kind) and issubclass(kind, self._base) and kind.__module__ == module.__name__
        }
        if not class_name and len(found) == 1:
            class_name = next(iter(found))
        if not class_name:
            raise UserError(
                f"{path} has {len(found)} {self.kind}s: name one, as {path}:CLASS ({', '.join(found) or 'none'})"
            )
        if class_name not in found and hasattr(module, class_name):
            raise UserError(f"{path}: {class_name} is no {self.kind}: derive it, there, from {self._base_name}")
        if class_name not in found:
            raise unknown(f"{self.kind} in {path}", class_name, found)
        kind = found[class_name]
        try:
            kind.model_rebuild()
        except NameError as error:
            raise UserError(f"{path}: {class_name}: {said(error)}") from error
        try:
            return self.usable(kind)
        except ValueError as error:
            raise UserError(f"{path}: {error}") from error

    def _hash(self, path: Path) -> str:
        """16 hexadecimal digits of the SHA-256 of a file's content. Raises UserError if there is no such file."""
        if not path.is_file():
            example = f"my_{self.kind}.py:My{self.kind.capitalize()}"
            raise UserError(f"there is no file {path}: name a Python file and a class in it, as {example}")
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _split(text: str) -> tuple[Path | None, str]:
    """The file and the class that a text names; no file for a name."""
    file, colon, class_name = text.rpartition(":")
    if colon and file.endswith(".py"):
        return Path(file), class_name
    return (Path(text), "") if text.endswith(".py") else (None, "")


def _execute(path: Path, content: str) -> ModuleType:
    """The file as a module of its own name, so that two files of one name do not meet."""
    where_it_is = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    # One module for each content, so that a class is the same however often it is asked for.
    name = f"archselect_file_{where_it_is}_{content}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Annotations that are texts are looked up in the module of the class.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(f"{where(error, path)}: {said(error)}") from error
    return module


def where(error: BaseException, path: Path) -> str:
    """The file, and the last line of it that an error came from."""
    here = str(path.absolute())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == here]
    if isinstance(error, SyntaxError) and error.filename == here:
        lines.append(error.lineno)
    return f"{path}, line {lines[-1]}" if lines else f"{path}"


def said(error: BaseException) -> str:
    """An error's type and message, in one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(message.split())}"
