"""Check that a worker has the code and the inputs of the command.

A record states the code and the inputs of both. But a worker can be on another machine,
where a file of the same name has another content, and it can start after a file has
changed. It then refuses its calls, with a message in one line that says how to fix it.
"""

from __future__ import annotations

import platform

from archselect.benchmarks.runtime.machine import UNKNOWN, Code, running_code
from archselect.benchmarks.store.facts import short_commit
from archselect.benchmarks.store.records import DataInputs, TrainingData
from archselect.nasbench_adapters.errors import UserError


def check_same_code(of_command: Code) -> None:
    """Raise UserError if this process runs another version of archselect.

    If the commit is unknown, for example without git, equal source files count as equal
    code.
    """
    here = running_code()
    commits = {here.commit, of_command.commit}
    is_unknown = any(commit.startswith(UNKNOWN) for commit in commits)
    is_same_commit = is_unknown or len(commits) == 1
    is_same_version = here.version == of_command.version
    if is_same_commit and is_same_version and here.sources == of_command.sources:
        return
    raise UserError(
        f"archselect on {platform.node()} ({_describe(here)}) differs from that of "
        f"the command ({_describe(of_command)}): install the same version on all machines, "
        "do not change its files while a command runs, and rerun the command"
    )


def _describe(code: Code) -> str:
    return f"version {code.version}, {short_commit(code.commit)}, source files {code.sources}"


def check_same_images(
    name: str, here: DataInputs | TrainingData, of_command: DataInputs | TrainingData
) -> None:
    """Raise UserError if this process read other images than the command.

    Args:
        name: Name or path of the data set.
        here: Facts about the images that this process read, as in a record.
        of_command: The same facts about those that the command read.
    """
    differences = []
    for key in type(of_command).model_fields:
        value = getattr(here, key)
        wanted = getattr(of_command, key)
        if value != wanted:
            differences.append(f"{key} {value} instead of {wanted}")
    if differences:
        raise _other_file(f"data set '{name}'", ", ".join(differences))


def check_same_source(name: str, here: str | None, of_command: str | None) -> None:
    """Raise UserError unless a component has the source of the command.

    Args:
        name: Name of the selector or optimiser in the study, or names of proxies.
        here: Hash of its file, or its package and version, in this process.
        of_command: The same in the command.
    """
    if here != of_command:
        raise UserError(
            f"{name} changed while the command ran: rerun it with the same file "
            f"or package on all machines ({platform.node()} has {here or 'none'} instead "
            f"of {of_command or 'none'})"
        )


def check_same_graph(name: str, here: str, of_command: str) -> None:
    """Raise UserError if this process read another graph than the command.

    Args:
        name: Name of the graph.
        here: Checksum of its arrays in this process.
        of_command: Checksum in the command.
    """
    if here != of_command:
        raise _other_file(
            f"graph '{name}'", f"its checksum is {here} instead of {of_command}"
        )


def check_same_truth(name: str, here: str, of_command: str) -> None:
    """Raise UserError if this process read another ground truth than the command.

    Args:
        name: Name or path of the ground truth.
        here: Id of its landscape in this process, which depends on its checksum.
        of_command: Id of its landscape in the command.
    """
    if here != of_command:
        raise _other_file(
            f"ground truth '{name}'", f"its landscape is {here} instead of {of_command}"
        )


def check_same_cost(name: str, here: str, of_command: str) -> None:
    """Raise UserError if this process opened another cost than the command.

    Args:
        name: Name of the cost in the study.
        here: Its origin in this process. The origin of a table includes its checksum.
        of_command: Its origin in the command.
    """
    if here != of_command:
        raise _other_file(f"cost '{name}'", f"it is {here} instead of {of_command}")


def _other_file(what: str, how: str) -> UserError:
    return UserError(
        f"{what} on {platform.node()} differs from what the command read ({how}): copy the "
        "same file to all machines, do not change it while a command runs, and rerun the command"
        ""
    )
