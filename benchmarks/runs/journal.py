"""The journal of a run: the answers of its task, to resume an interrupted selection.

A selector is a function of the answers that it gets. When a run starts again, its
selector gets the answers of the journal immediately, in the same order. Only then are
new answers computed. Selectors need no code for that.

`ID.jsonl` has one line per answer: its number, the name of the question, the answer,
the random streams that it advanced, and the clock. After each tuning, `ID.pt` holds the
state of the supernet. Both files are removed when the run is finished.

Two processes can write the same journal, because a cluster may continue a run after the
command that asked for it has ended. They give the same answers; for each number, the
first line counts.
"""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Concatenate, NamedTuple

import torch
from torch import Tensor

from archselect.benchmarks.runs.delegating_task import (
    Answer,
    Arguments,
    DelegatingTask,
)
from archselect.benchmarks.runs.supernet_free_task import SupernetFreeTask
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.machine import commit, same_commit
from archselect.benchmarks.runtime.tensor_files import (
    load_tensors,
    restoring_from,
    save_tensors,
)
from archselect.benchmarks.store.logs import Answers
from archselect.nasbench_adapters.atomic_files import open_to_append, unwritable
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import open_plain, unreadable
from archselect.nasbench_adapters.limits import MOST_LINE_BYTES
from archselect.selectors.base import Evaluation, Task
from archselect.selectors.proxies.base import Undefined

_UNDEFINED = "undefined"
"""The key of an answer that is no score, but the reason why there is none."""
_PARTS = {"number", "commit", "question", "answer", "streams", "networks", "clock"}
"""The keys of a line that answers a question."""

Line = dict[str, Any]


class _SavedState(NamedTuple):
    """The state of a supernet after a tuning, and the tuning's line and its number."""

    place: int
    line: Line
    state: dict[str, Any]


class Journal:
    """The journal of one run: the lines in the file, and new lines.

    Args:
        path: path of the journal, without suffix.
        run: id of the run. The journal of another run is not used.
        supernet_commit: commit that made the supernet. Answers about a supernet of
            another commit are not used.
        other_code: whether to use answers that another commit of archselect gave.

    Attributes:
        commit: commit that gives the answers; None if several commits did.
        found: lines that were in the file at the start.
        asked: number of answers given so far, old or new.
        state: state of the supernet after the last tuning in the file; None for no
            tuning.
    """

    def __init__(
        self,
        path: Path,
        run: str,
        supernet_commit: str | None = None,
        other_code: bool = True,
    ) -> None:
        self.path = path.with_suffix(".jsonl")
        self.state_path = path.with_suffix(".pt")
        self.asked = 0
        self.state: dict[str, Any] | None = None
        self.commit: str | None = commit()
        header = {"run": run, "supernet_commit": supernet_commit}
        lines = _read(self.path, header)
        found = self._lines_with_state(lines)
        commits = [line["commit"] for line in found]
        given_by = same_commit(self.commit, *commits)
        is_usable = other_code or given_by == self.commit
        self.found = found if is_usable else []
        if self.found:
            self.commit = given_by
        else:
            self.state = None
            self.state_path.unlink(missing_ok=True)
            _begin(self.path, header)

    def _lines_with_state(self, lines: list[Line]) -> list[Line]:
        """Return the lines; no lines if the state after the last tuning is missing.

        A state is written before the line of its tuning. If a process ended between the
        two, this method adds the line, which the state file also holds.
        """
        tunings = [
            place for place, line in enumerate(lines) if line["question"] == "tune"
        ]
        if not self.state_path.is_file():
            return [] if tunings else lines
        saved = self._read_state()
        if saved is None:
            return []
        self.state = saved.state
        if lines and saved.place == len(lines) and _is_answer(saved.line):
            _add(self.path, saved.line)
            return [*lines, saved.line]
        is_of_last_tuning = bool(tunings) and saved.place == tunings[-1]
        return lines if is_of_last_tuning else []

    def _read_state(self) -> _SavedState | None:
        """Return the saved state; None if its file is damaged."""
        try:
            saved = load_tensors(self.state_path)
        except UserError:
            return None
        if not saved.keys() >= set(_SavedState._fields):
            return None
        if not isinstance(saved["place"], int):
            return None
        return _SavedState(saved["place"], saved["line"], saved["state"])

    @property
    def replaying(self) -> bool:
        """Whether the next answer is in the journal."""
        return self.asked < len(self.found)

    def next(self, question: str) -> Line:
        """Return the next line of the journal.

        Raises UserError if the line answers another question.
        """
        line = self.found[self.asked]
        if line["question"] != question:
            raise UserError(
                f"{self.path} does not match its run (line {self.asked + 2}): remove it and run again"
            )
        self.asked += 1
        return line

    def write(self, line: Line, state: dict[str, Any] | None = None) -> None:
        """Add a line, and write the supernet's state after it, if given."""
        line = {"number": self.asked, "commit": commit(), **line}
        if state is not None:
            saved = _SavedState(self.asked, line, state)
            save_tensors(self.state_path, saved._asdict())
        _add(self.path, line)
        self.asked += 1


def discard(path: Path) -> None:
    """Remove the journal of a run whose record is written. `path` has no suffix.

    The folder stays, because another worker may be about to write its journal there.
    """
    path.with_suffix(".jsonl").unlink(missing_ok=True)
    path.with_suffix(".pt").unlink(missing_ok=True)


def _begin(path: Path, header: Line) -> None:
    """Start a journal without answers, over an old one; never write through a link."""
    try:
        with open_to_append(path, path.parent.parent) as file:
            file.truncate(0)
            file.write(_text_of(header))
    except OSError as error:
        raise unwritable(path, error) from error


def _add(path: Path, line: Line) -> None:
    """Add a line to a journal; never write through a link."""
    try:
        with open_to_append(path, path.parent.parent) as file:
            file.write(_text_of(line))
    except OSError as error:
        raise unwritable(path, error) from error


def _text_of(line: Line) -> bytes:
    return f"{json.dumps(line)}\n".encode()


def _read(path: Path, header: Line) -> list[Line]:
    """Return the answers of a journal in order; none if its header differs.

    Everything after the first broken line or gap is removed from the file.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            lines, whole = _whole_lines(file)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from error
    if not lines:
        return []
    first = lines[0]
    for name, value in header.items():
        if first.get(name) != value:
            return []
    if whole < size:
        _cut_off(path, whole)
    return lines[1:]


def _whole_lines(file: IO[bytes]) -> tuple[list[Line], int]:
    """Return the lines before the first broken line or gap, and their bytes."""
    lines: list[Line] = []
    whole = 0
    while text := file.readline(MOST_LINE_BYTES):
        line = _parse_line(text)
        if line is None or (lines and not _is_answer(line)):
            break
        expected = len(lines) - 1
        if not lines or line["number"] == expected:
            lines.append(line)
        elif line["number"] > expected:
            break
        whole += len(text)
    return lines, whole


def _parse_line(text: bytes) -> Line | None:
    """Return the content of a line; None if the line is broken."""
    if not text.endswith(b"\n"):
        return None
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _cut_off(path: Path, size: int) -> None:
    """Cut a journal to a size in bytes; never write through a link."""
    try:
        with open_to_append(path, path.parent.parent) as file:
            file.truncate(size)
    except OSError as error:
        raise unwritable(path, error) from error


def _is_answer(line: object) -> bool:
    """Return whether a line has all keys of an answer."""
    if not isinstance(line, dict) or not line.keys() >= _PARTS:
        return False
    return isinstance(line["number"], int)


@dataclass(frozen=True)
class _Question:
    """How a journal stores the answers to one question of a task.

    Attributes:
        name: name of the question in the journal.
        encode: function that turns an answer into JSON values.
        decode: function that turns JSON values into the answer.
        streams: random streams of the task that an answer can advance.
        one_per: index of the argument whose entries get one score each; None if an
            answer is a single value.
        may_be_undefined: whether the journal stores the reason if there is no score.
    """

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    streams: tuple[str, ...] = ()
    one_per: int | None = None
    may_be_undefined: bool = False


class JournaledTask(DelegatingTask):
    """A task that keeps a journal of its answers, and gives the answers in it first.

    Args:
        task: the task that computes new answers. When the last stored answer is given,
            its clock is set to the stored times and counts.
        journal: journal of the run.
        answers: log of the answers.
    """

    _task: SupernetTask | SupernetFreeTask

    def __init__(
        self,
        task: SupernetTask | SupernetFreeTask,
        journal: Journal,
        answers: Answers,
    ) -> None:
        super().__init__(task)
        self._journal = journal
        self._answers = answers
        # A reward that is looked up draws no random numbers.
        drawn_from = ("validation",) if "validation" in task.streams else ()
        self._questions = {
            "evaluate": _Question(
                "evaluate", list, _read_evaluation, streams=("validation",)
            ),
            "evaluate_tuned": _Question(
                "evaluate tuned", list, _read_evaluation, streams=("validation",)
            ),
            "proxy": _Question("proxy", _unchanged, _read_score),
            "proxies": _Question("proxies", _unchanged, _read_scores, one_per=1),
            "proxy_of_network": _Question(
                "network",
                _encode_score_or_reason,
                _read_score_or_reason,
                streams=("minibatches",),
                may_be_undefined=True,
            ),
            "output_information": _Question(
                "output information",
                _encode_information,
                _read_information,
                streams=("minibatches",),
            ),
            "_reward": _Question("query", _unchanged, _read_score, streams=drawn_from),
            # The answer includes the alphas, because a selector can read them.
            "tune": _Question("tune", self._list_alphas, self._restore_alphas),
        }

    def _ask(
        self,
        question: Callable[Concatenate[Task, Arguments], Answer],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Answer:
        """Return the journal's answer, or compute and store a new one.

        Questions that the journal does not store are passed on to the task.
        """
        noted = self._questions.get(question.__name__)
        if noted is None:
            return super()._ask(question, *arguments, **keywords)
        if self._journal.replaying:
            with restoring_from(self._journal.path):
                answer = _decode(noted, self._replay(noted.name), arguments)
        else:
            try:
                computed: Any = super()._ask(question, *arguments, **keywords)
            except Undefined as error:
                if not noted.may_be_undefined:
                    raise
                computed = error
            encoded = noted.encode(computed)
            self._note(noted, encoded)
            answer = _decode(noted, encoded, arguments)
        if isinstance(answer, Undefined):
            raise answer
        return answer

    def _note(self, question: _Question, answer: Any) -> None:
        """Write an answer into the journal, with the state of the task after it."""
        streams = {}
        for name in question.streams:
            generator = self._task.streams[name]
            streams[name] = _encode_bytes(generator.get_state())
        line = {
            "question": question.name,
            "answer": answer,
            "streams": streams,
            "networks": self._task.networks,
            "clock": self._task.clock.state(),
        }
        state = None
        if question.name == "tune" and isinstance(self._task, SupernetTask):
            state = self._task.state()
        self._journal.write(line, state)
        self._answers.answered(question.name, replayed=False)

    def _replay(self, question: str) -> Any:
        """Return the journal's answer, and set the task to the state after that answer.

        At the last stored answer, the task gets the stored supernet and clock.
        """
        line = self._journal.next(question)
        self._answers.answered(question, replayed=True)
        for name, state in line["streams"].items():
            self._task.streams[name].set_state(_decode_bytes(state))
        self._task.networks = int(line["networks"])
        if not self._journal.replaying:
            if self._journal.state is not None:
                assert isinstance(self._task, SupernetTask)
                self._task.load_state(self._journal.state)
            self._task.clock.restore(line["clock"])
        return line["answer"]

    def _list_alphas(self, _: None) -> list[Any]:
        return [alpha.tolist() for alpha in self.alphas]

    def _restore_alphas(self, rows: Any) -> None:
        with torch.no_grad():
            for alpha, values in zip(self.alphas, rows, strict=True):
                alpha.copy_(torch.tensor(values))


def _decode(question: _Question, noted: Any, arguments: tuple[Any, ...]) -> Any:
    """Return an answer from its stored form.

    Raises ValueError if it does not fit the arguments.
    """
    answer = question.decode(noted)
    if question.one_per is not None:
        asked = arguments[question.one_per]
        if len(answer) != len(asked):
            raise ValueError(f"{len(answer)} scores of {len(asked)} candidates")
    return answer


def _unchanged(answer: Any) -> Any:
    return answer


def _read_score(noted: Any) -> float:
    """Return the score of a proxy, or a reward.

    Raises ValueError if it is not finite.
    """
    score = float(noted)
    if not math.isfinite(score):
        raise ValueError(f"the score is not finite: {score}")
    return score


def _read_scores(noted: Any) -> list[float]:
    return [_read_score(score) for score in noted]


def _encode_information(answer: Any) -> Any:
    """Return values by cell type, edge and operation, with None for infinity."""
    return [
        [[value if math.isfinite(value) else None for value in row] for row in rows]
        for rows in answer
    ]


def _read_information(noted: Any) -> list[list[list[float]]]:
    return [
        [[math.inf if value is None else float(value) for value in row] for row in rows]
        for rows in noted
    ]


def _encode_score_or_reason(answer: float | Undefined) -> float | dict[str, str]:
    if isinstance(answer, Undefined):
        return {_UNDEFINED: str(answer)}
    return answer


def _read_score_or_reason(noted: Any) -> float | Undefined:
    """Return a proxy's score, or the error that says why there is none."""
    if isinstance(noted, dict):
        return Undefined(str(noted[_UNDEFINED]))
    return _read_score(noted)


def _read_evaluation(noted: Any) -> Evaluation:
    return Evaluation(*map(float, noted))


def _encode_bytes(state: Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _decode_bytes(text: str) -> Tensor:
    return torch.tensor(list(base64.b64decode(text)), dtype=torch.uint8)
