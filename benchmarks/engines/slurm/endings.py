"""Messages for jobs that end without a result. Each says what to do."""

from __future__ import annotations

from pathlib import Path

NOT_ITS_FAULT = {"BOOT_FAIL", "LAUNCH_FAILED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
"""States of jobs that ended without their own fault. They are submitted again."""
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
"""Reasons why a job waits, possibly for ever, until somebody acts."""

_MESSAGES = {
    "BOOT_FAIL": "ended because its node did not start",
    "CANCELLED": "was cancelled: rerun the command",
    "DEADLINE": "ended because its deadline passed: set a later one with --engine-set deadline=TIME",
    "FAILED": "failed",
    "LAUNCH_FAILED": "could not start on its node",
    "NODE_FAIL": "ended because its node failed",
    "OUT_OF_MEMORY": "ran out of memory: set more with --engine-set mem=SIZE, such as mem=16G",
    "PREEMPTED": "was preempted by other jobs: set a partition or QOS whose jobs are not preempted",
    "REVOKED": "was revoked",
    "TIMEOUT": "reached its time limit: set more with --engine-set time=MINUTES",
}


def ending_message(job: str, state: str, tries: int, log: Path) -> str:
    """Return the message for a job that ended without a result.

    Args:
        job: id of the job.
        state: final state of the job; empty if Slurm does not say.
        tries: number of submissions.
        log: log file of the job, which may be missing.
    """
    message = f"Slurm job {job} {_MESSAGES.get(state, 'ended without a result')}"
    if state:
        message += f" ({state})"
    if state in NOT_ITS_FAULT and tries > 1:
        message += f", for the last of {tries} times"
    if log.is_file():
        return f"{message}; its log: {log}"
    return f"{message}; it left no log"
