"""Messages for jobs that end without a result; each says what to do."""

from __future__ import annotations

from pathlib import Path

NOT_ITS_FAULT = {"BOOT_FAIL", "LAUNCH_FAILED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""States in which a job ended for reasons that are not its own: it is submitted again.
"""
NEVER_START = {
    "AssocMaxWallDurationPerJobLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "InvalidAccount",
    "InvalidQOS",
    "JobHeldAdmin",
    "JobHeldUser",
    "PartitionConfig",
    "PartitionDown",
    "PartitionInactive",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "QOSMaxWallDurationPerJobLimit",
    "ReqNodeNotAvail",
    "launch_failed_requeued_held",
}
"""Reasons for which a job waits, and may wait for ever unless somebody does something.
"""

_MESSAGES = {
    "BOOT_FAIL": "ended because its node did not start",
    "CANCELLED": "was cancelled; run the command again",
    "DEADLINE": "ended because its deadline passed; give a later one with --engine-set deadline=TIME",
    "FAILED": "failed",
    "LAUNCH_FAILED": "could not be started on its node",
    "NODE_FAIL": "ended because its node failed",
    "OUT_OF_MEMORY": "ran out of memory; give it more with --engine-set mem=SIZE, as mem=16G",
    "PREEMPTED": "gave way to other jobs; name a partition or QOS whose jobs are not preempted",
    "REVOKED": "was revoked",
    "TIMEOUT": "ran into its time limit; give it more with --engine-set time=MINUTES",
}


def ending_message(job: str, state: str, tries: int, log: Path) -> str:
    """Return the message for a job that ended without a result.

    Args:
        job: its id.
        state: in which it ended; empty if Slurm does not say.
        tries: how often it was submitted.
        log: what it wrote to, which may not be there.
    """
    message = f"Slurm job {job} {_MESSAGES.get(state, 'ended without a result')}"
    if state:
        message += f" ({state})"
    if state in NOT_ITS_FAULT and tries > 1:
        message += f", the last of {tries} times"
    if log.is_file():
        return f"{message}; its log: {log}"
    return f"{message}; it left no log"
