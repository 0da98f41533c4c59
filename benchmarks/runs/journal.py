"""A run's journal: what its task has answered so far, so that an interrupted selection goes on where it stopped.

A selector is a function of the answers it is given. So a run that starts again is given
the journal's answers, in order and at once, until they are used up; only then is
anything computed. No selector needs to know.

`ID.jsonl` has one line per answer: its number, the question's name, the answer, the
random streams it moved and the clock. After each tuning `ID.pt` holds the supernet's
state. Both are gone when the run is finished.

Two processes may write the same journal, where a cluster still does a run that a
command which is gone has asked for. They are given the same answers, and of each number
the first line counts.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import torch
from torch import Tensor

from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.machine import commit, same_commit
from archselect.benchmarks.runtime.tensor_files import (
    load_checked,
    save_checked,
    taking_over,
)
from archselect.benchmarks.store.logs import Answers
from archselect.nasbench_adapters.atomic_files import open_to_append, unwritable
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import open_plain, unreadable
from archselect.nasbench_adapters.limits import MOST_LINE_BYTES
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import Architecture, Decisions
from archselect.selectors.base import Evaluation, Minibatch, Task
from archselect.selectors.proxies.base import Undefined

_UNDEFINED = "undefined"
"""The key of an answer that is no score but the reason why there is none."""

Line = dict[str, Any]
Answer = TypeVar("Answer")


class Journal:
    """The lines of one run's journal, those found and those to come.

    Args:
        path: of the journal, without suffix.
        run: id of the run; a journal of another run is not used.
        supernet_commit: of the archselect that made the supernet; answers about another
            supernet are not used.
        other_code: whether answers that another commit of archselect gave are used.

    Attributes:
        commit: of the archselect that gives the answers; None if several did.
        found: the lines found.
        asked: how many answers were given, found or new.
        state: of the supernet after the last tuning found; None if there was none.
    """

    def __init__(
        self,
        path: Path,
        run: str,
        supernet_commit: str | None = None,
        other_code: bool = True,
    ) -> None:
        self.path, self.state_path = path.with_suffix(".jsonl"), path.with_suffix(".pt")
        self.asked, self.state = 0, None
        self.commit: str | None = commit()
        header = {"run": run, "supernet_commit": supernet_commit}
        found = self._whole(_read(self.path, header))
        given_by = same_commit(self.commit, *(line["commit"] for line in found))
        self.found = found if other_code or given_by == self.commit else []
        if self.found:
            self.commit = given_by
        else:
            self.state = None
            self.state_path.unlink(missing_ok=True)
            _begin(self.path, header)

    def _whole(self, lines: list[Line]) -> list[Line]:
        """The lines found if the state after their last tuning is there too, else none.

        A state is written before its tuning is noted; if only that was done, the note
        is made good.
        """
        tunings = [
            place for place, line in enumerate(lines) if line["question"] == "tune"
        ]
        if not self.state_path.is_file():
            return [] if tunings else lines
        try:
            saved = load_checked(self.state_path)
        except UserError:
            return []
        if not saved.keys() >= {"state", "place", "line"} or not isinstance(
            saved["place"], int
        ):
            return []
        self.state = saved["state"]
        if lines and saved["place"] == len(lines) and _is_line(saved["line"]):
            _add(self.path, saved["line"])
            return [*lines, saved["line"]]
        return lines if tunings and saved["place"] == tunings[-1] else []

    @property
    def replaying(self) -> bool:
        """Whether the next answer is in the journal."""
        return self.asked < len(self.found)

    def next(self, question: str) -> Line:
        """The journal's next line.

        Raises UserError if it answers another question than the one asked.
        """
        line = self.found[self.asked]
        if line["question"] != question:
            raise UserError(
                f"{self.path} does not fit its run (line {self.asked + 2}): remove it and run again"
            )
        self.asked += 1
        return line

    def write(self, line: Line, state: dict[str, Any] | None = None) -> None:
        """Add a line, and keep the supernet's state that goes with it."""
        line = {"number": self.asked, "commit": commit(), **line}
        if state is not None:
            save_checked(
                self.state_path, {"place": self.asked, "line": line, "state": state}
            )
        _add(self.path, line)
        self.asked += 1


def discard(path: Path) -> None:
    """Remove a journal (its path is without suffix) once its run's record is written.

    The folder stays: another worker may be about to write its own journal there.
    """
    path.with_suffix(".jsonl").unlink(missing_ok=True)
    path.with_suffix(".pt").unlink(missing_ok=True)


def _begin(path: Path, header: Line) -> None:
    """Write a journal of no answers; whatever was there is gone, and nothing is written through a link."""
    try:
        with open_to_append(path, path.parent.parent) as file:
            file.truncate(0)
            file.write(_text_of(header))
    except OSError as error:
        raise unwritable(path, error) from error


def _add(path: Path, line: Line) -> None:
    """Add a line to a journal; nothing is written through a link."""
    try:
        with open_to_append(path, path.parent.parent) as file:
            file.write(_text_of(line))
    except OSError as error:
        raise unwritable(path, error) from error


def _text_of(line: Line) -> bytes:
    return f"{json.dumps(line)}\n".encode()


def _read(path: Path, header: Line) -> list[Line]:
    """Return the answers of a journal of that header, by number; what follows the first broken line or gap is cut off.

    A journal of another header has none.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            lines, whole = _whole_lines(file)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from error
    if not lines or any(lines[0].get(name) != value for name, value in header.items()):
        return []
    if whole < size:
        _cut_off(path, whole)
    return lines[1:]


def _whole_lines(file: IO[bytes]) -> tuple[list[Line], int]:
    """Return the lines of a journal up to the first that is broken or a gap, and how many bytes they are."""
    lines: list[Line] = []
    whole = 0
    while text := file.readline(MOST_LINE_BYTES):
        if not text.endswith(b"\n"):
            break
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            break
        if not (_is_line(line) if lines else isinstance(line, dict)):
            break
        if not lines or line["number"] == len(lines) - 1:
            lines.append(line)
        elif line["number"] >= len(lines):
            break
        whole += len(text)
    return lines, whole


def _cut_off(path: Path, size: int) -> None:
    """Cut a journal off behind so many bytes; nothing is written through a link."""
    try:
        with open_to_append(path, path.parent.parent) as file:
            file.truncate(size)
    except OSError as error:
        raise unwritable(path, error) from error


def _is_line(line: object) -> bool:
    """Whether it has all that answers a question."""
    parts = {"number", "commit", "question", "answer", "streams", "networks", "clock"}
    return (
        isinstance(line, dict)
        and line.keys() >= parts
        and isinstance(line["number"], int)
    )


class JournaledTask(Task):
    """A task that keeps a journal. See :class:`archselect.selectors.base.Task`.

    Args:
        task: answers what the journal does not. Its clock is set to the journal's times
            and counts when the journal's last answer has been given.
        journal: of the run.
        answers: told what is asked.
    """

    def __init__(self, task: SupernetTask, journal: Journal, answers: Answers) -> None:
        self._task, self._journal, self._answers, self._clock = (
            task,
            journal,
            answers,
            task.clock,
        )
        self.space, self.supernet, self.alphas, self.rng = (
            task.space,
            task.supernet,
            task.alphas,
            task.rng,
        )

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """See :meth:`.Task.mixture`."""
        return self._task.mixture(decisions, alphas)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """See :meth:`.Task.new_alphas`."""
        return self._task.new_alphas()

    def minibatch(self, size: int) -> Minibatch:
        """See :meth:`.Task.minibatch`."""
        return self._task.minibatch(size)

    def evaluate(
        self, mixture: Mixture, norm: str = "running", augment: bool = False
    ) -> Evaluation:
        """See :meth:`.Task.evaluate`."""
        return self._ask(
            "evaluate",
            lambda: list(self._task.evaluate(mixture, norm, augment)),
            _evaluation,
            ["validation"],
        )

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate_tuned`."""

        def evaluated() -> list[float]:
            return list(
                self._task.evaluate_tuned(
                    decisions, epochs, learning_rate, norm, augment
                )
            )

        return self._ask("evaluate tuned", evaluated, _evaluation, ["validation"])

    def proxy(
        self, name: str, mixture: Mixture, batch: Minibatch, norm: str = "running"
    ) -> float:
        """See :meth:`.Task.proxy`."""
        return self._ask(
            "proxy", lambda: self._task.proxy(name, mixture, batch, norm), _score
        )

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """See :meth:`.Task.proxies`."""

        def scores(answer: Any) -> list[float]:
            return [_score(value) for value, _ in zip(answer, mixtures, strict=True)]

        return self._ask(
            "proxies", lambda: self._task.proxies(name, mixtures, batch, norm), scores
        )

    def proxy_of_network(
        self, name: str, architecture: Architecture, batches: int, size: int
    ) -> float:
        """See :meth:`.Task.proxy_of_network`."""

        def scored() -> float | dict[str, str]:
            try:
                return self._task.proxy_of_network(name, architecture, batches, size)
            except Undefined as error:
                return {_UNDEFINED: str(error)}

        answer = self._ask("network", scored, _score_or_reason, ["minibatches"])
        if isinstance(answer, Undefined):
            raise answer
        return answer

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """See :meth:`.Task.tune`.

        The alphas are part of the answer: a selector may read them.
        """

        def tuned() -> list[Any]:
            self._task.tune(decisions, epochs, learning_rate)
            return [alpha.tolist() for alpha in self.alphas]

        def moved(rows: Any) -> None:
            with torch.no_grad():
                for alpha, values in zip(self.alphas, rows, strict=True):
                    alpha.copy_(torch.tensor(values))

        self._ask("tune", tuned, moved)

    def _ask(
        self,
        question: str,
        compute: Callable[[], Any],
        take: Callable[[Any], Answer],
        streams: Sequence[str] = (),
    ) -> Answer:
        """What `take` makes of the journal's answer, or of a new one that is noted.

        `streams` are those that answering may move.
        """
        if self._journal.replaying:
            with taking_over(self._journal.path):
                return take(self._replay(question))
        answer = compute()
        line = {
            "question": question,
            "answer": answer,
            "streams": {
                name: _text(self._task.streams[name].get_state()) for name in streams
            },
            "networks": self._task.networks,
            "clock": self._clock.state(),
        }
        self._journal.write(line, self._task.state() if question == "tune" else None)
        self._answers.answered(question, replayed=False)
        return take(answer)

    def _replay(self, question: str) -> Any:
        """The journal's answer; with the last one the task takes over the state in which the journal left it."""
        line = self._journal.next(question)
        self._answers.answered(question, replayed=True)
        for name, state in line["streams"].items():
            self._task.streams[name].set_state(_state(state))
        self._task.networks = int(line["networks"])
        if not self._journal.replaying:
            if self._journal.state is not None:
                self._task.load_state(self._journal.state)
            self._clock.restore(line["clock"])
        return line["answer"]


def _score(answer: Any) -> float:
    """Return a proxy's answer.

    Raises ValueError if it is no score: a proxy's scores are finite.
    """
    value = float(answer)
    if not math.isfinite(value):
        raise ValueError(f"a proxy's score that is not finite: {value}")
    return value


def _score_or_reason(answer: Any) -> float | Undefined:
    """Return a proxy's answer, or the reason that was noted where there is no score."""
    return (
        Undefined(str(answer[_UNDEFINED]))
        if isinstance(answer, dict)
        else _score(answer)
    )


def _evaluation(answer: Any) -> Evaluation:
    return Evaluation(*map(float, answer))


def _text(state: Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _state(text: str) -> Tensor:
    return torch.tensor(list(base64.b64decode(text)), dtype=torch.uint8)
