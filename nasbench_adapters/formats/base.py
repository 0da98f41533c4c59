"""The base class of formats of architectures in other projects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, SearchSpace

Space = TypeVar("Space", bound=SearchSpace)


class Format(ABC, Generic[Space]):
    """A form in which another project writes the architectures of a space.

    Attributes:
        name: Name in commands.
        summary: Description in one line, with an example.
        source: Project, file and commit that define it.
        space_class: Class of the spaces whose architectures it can write.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    space_class: type[Space]

    @abstractmethod
    def parse(self, space: Space, text: str) -> Architecture:
        """Return the architecture of a text in this format.

        Raises UserError, with a message of one line, for any other text.
        """

    @abstractmethod
    def write(self, space: Space, architecture: Architecture) -> str:
        """Return an architecture of a space in this format.

        It is the inverse of :meth:`parse`. Raises UserError if the format cannot write
        it.
        """

    def malformed(self, text: str, fault: str) -> UserError:
        """Return the error for a malformed text; its message shows the right form."""
        return UserError(
            f"malformed {self.name} {text.strip()[:60]!r}: {fault}; form: {self.summary}"
        )
