"""What a worker reads itself, held against what the command read: a record vouches for both.

A worker may be on another machine, where a file of the same name has another content,
and it may begin after a file was changed. It then refuses its calls, in one line that
names the mend.
"""

from __future__ import annotations

import platform

from archselect.benchmarks.runtime.machine import UNKNOWN, Code, running_code
from archselect.benchmarks.store.facts import short_commit
from archselect.benchmarks.store.records import DataInputs, TrainingData
from archselect.nasbench_adapters.errors import UserError


def check_same_code(of_command: Code) -> None:
    """Raise UserError if this process runs other code of archselect than the command.

    Where a process cannot tell its commit, as without git, equal source files count as
    equal code.
    """
    here = running_code()
    commits = {here.commit, of_command.commit}
    if any(commit.startswith(UNKNOWN) for commit in commits):
        commits = set()
    if len(commits) < 2 and (here.version, here.sources) == (
        of_command.version,
        of_command.sources,
    ):
        return
    raise UserError(
        f"archselect on {platform.node()} is other code ({_shown(here)}) than that of the command "
        f"({_shown(of_command)}): install the same on all machines, change none of its files while a command runs, and "
        "run the command again"
    )


def _shown(code: Code) -> str:
    return f"version {code.version}, {short_commit(code.commit)}, source files {code.sources}"


def check_same_images(
    name: str, here: DataInputs | TrainingData, of_command: DataInputs | TrainingData
) -> None:
    """Raise UserError if images that were read here are not those that the command read.

    Args:
        name: name or path of the data set.
        here, of_command: what a record says of the images.
    """
    differing = [
        f"{key} {getattr(here, key)} in place of {getattr(of_command, key)}"
        for key in type(of_command).model_fields
        if getattr(here, key) != getattr(of_command, key)
    ]
    if differing:
        raise _other_file(f"data set '{name}'", ", ".join(differing))


def check_same_source(name: str, here: str | None, of_command: str | None) -> None:
    """Raise UserError if a selector or an optimiser was made here of other files or packages than by the command.

    Args:
        name: by which the study names it.
        here, of_command: hashes of files, packages and versions.
    """
    if here != of_command:
        raise UserError(
            f"{name} was changed while the study ran; run it again, with the same file or package on all machines "
            f"({platform.node()} has {here or 'none'} in place of {of_command or 'none'})"
        )


def check_same_truth(name: str, here: str, of_command: str) -> None:
    """Raise UserError if a truth that was read here is not the one that the command read.

    Args:
        name: name or path of the truth.
        here, of_command: the ids of its landscape, which have its checksum in them.
    """
    if here != of_command:
        raise _other_file(
            f"truth '{name}'", f"its landscape is {here} in place of {of_command}"
        )


def _other_file(what: str, how: str) -> UserError:
    return UserError(
        f"{what} on {platform.node()} is not what the command read ({how}): copy the same file to all machines, change "
        "none while a command runs, and run the command again"
    )
