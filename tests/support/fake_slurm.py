"""A Slurm whose programs go wrong on demand. Its jobs are files, which the test runs.

Each of the programs is this file: `python fake_slurm.py FOLDER PROGRAM …`. In the
folder, `jobs/ID` is a job's table of values, `faults/PROGRAM` says how a program goes
wrong, `calls` has a line per call, and `settings` the limits.
"""

import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

PROGRAMS = ("sbatch", "squeue", "scancel", "sacct", "scontrol")
GOING = ("PENDING", "RUNNING")


class FakeSlurm:
    """What a test sees of it, and does with it."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def install(self):
        """Make the folder of programs, and return it."""
        for name in ("jobs", "faults", "bin"):
            (self.folder / name).mkdir(parents=True)
        self.settings()
        for program in PROGRAMS:
            path = self.folder / "bin" / program
            command = shlex.join(
                [sys.executable, "-I", "-S", __file__, str(self.folder), program]
            )
            path.write_text(f'#!/bin/sh\n{command} "$@"\n')
            path.chmod(0o755)
        return self.folder / "bin"

    def settings(self, **values):
        """Set limits: `jobs`, how many may wait and run, and `array`, the length of an array."""
        write(self.folder / "settings", {"jobs": 10**6, "array": 1001} | values)

    def fault(self, program, how, words=""):
        """Have a program go wrong from now on; `None` mends it."""
        path = self.folder / "faults" / program
        if how is None:
            path.unlink()
        else:
            write(path, {"how": how, "words": words})

    def fault_of(self, program):
        """Return how a program goes wrong; None if it does not."""
        try:
            return json.loads((self.folder / "faults" / program).read_text())
        except FileNotFoundError:
            return None

    def calls(self, program=None):
        """Return the calls so far: the words of each, the program first."""
        return [
            call["words"]
            for call in self._logged()
            if program in (None, call["words"][0])
        ]

    def environment(self, program):
        """Return the names of the last call's variables of the environment."""
        return [
            call["environment"]
            for call in self._logged()
            if call["words"][0] == program
        ][-1]

    def _logged(self):
        path = self.folder / "calls"
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # without a line that is being written
        return [json.loads(line) for line in whole.splitlines()]

    def jobs(self):
        """Return the jobs by id."""
        paths = [
            path
            for path in (self.folder / "jobs").iterdir()
            if not path.name.startswith(".")
        ]
        return {
            path.name: json.loads(path.read_text())
            for path in sorted(paths, key=lambda path: key(path.name))
        }

    def change(self, id, **values):
        """Change values of a job: its `state`, the `reason` for which it waits, or where it is `shown`."""
        path = self.folder / "jobs" / id
        write(path, json.loads(path.read_text()) | values)

    def remove(self, id):
        """Have Slurm forget a job."""
        (self.folder / "jobs" / id).unlink()


def say(text, stream=None):
    """Print a text."""
    (stream or sys.stdout).write(f"{text}\n")


def log(folder, *words):
    """Note a call."""
    line = json.dumps({"words": words, "environment": sorted(os.environ)})
    with (folder / "calls").open("a") as calls:
        calls.write(f"{line}\n")


def key(id):
    """Sorts ids by their numbers."""
    return [int(number) for number in id.split("_")]


def write(path, values):
    """Write a file at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    temporary.write_text(json.dumps(values))
    temporary.replace(path)


def read_script(path):
    """Return the options of a batch script, and the last words of its command: place, array and number."""
    text = Path(path).read_text()
    lines = shlex.split("\n".join(re.findall(r"^#SBATCH --(.*)$", text, re.MULTILINE)))
    options = {
        name: value for name, _, value in (line.partition("=") for line in lines)
    }
    *_, place, array, number = shlex.split(text.strip().splitlines()[-1])
    return options, place, array, number


def refuse(words):
    """End as sbatch does if Slurm refuses the job."""
    sys.exit(f"sbatch: error: {words}")


def submit(fake, script, answer=True):
    options, place, array, _ = read_script(script)
    settings = json.loads((fake.folder / "settings").read_text())
    span = re.fullmatch(r"0-(\d+)(%\d+)?", options.get("array", ""))
    numbers = range(int(span[1]) + 1) if span else [0]
    if span and int(span[1]) >= settings["array"]:
        refuse("Batch job submission failed: Invalid job array specification")
    jobs = fake.jobs()
    if (
        sum(job["state"] in GOING for job in jobs.values()) + len(numbers)
        > settings["jobs"]
    ):
        policy = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
        refuse(
            f"QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: {policy}"
        )
    id = 1 + max((int(other.partition("_")[0]) for other in jobs), default=100)
    for number in numbers:
        job = {
            "name": options["job-name"],
            "place": place,
            "array": array,
            "number": number,
            "options": options,
        }
        name = f"{id}_{number}" if span else str(id)
        write(
            fake.folder / "jobs" / name,
            job
            | {"state": "PENDING", "reason": "Priority", "shown": ["squeue", "sacct"]},
        )
    if answer:
        say(f"Submitted batch job {id}")


def show_queue(fake, words):
    assert words[:7] == ["-h", "-r", "-u", str(os.getuid()), "-t", "all", "-o"], words
    for id, job in fake.jobs().items():
        if "squeue" in job["shown"]:
            line = words[7]
            for mark, value in {
                "%i": id,
                "%T": job["state"],
                "%r": job["reason"],
                "%j": job["name"],
            }.items():
                line = line.replace(mark, value)
            say(line)


def show_accounting(fake, words):
    asked = words[words.index("-j") + 1].split(",")
    for id, job in fake.jobs().items():
        if "sacct" in job["shown"] and id.partition("_")[0] in asked:
            by = " by 0" if job["state"] == "CANCELLED" else ""
            say(f"{id}|{job['state']}{by}")


def cancel(fake, words):
    for id, job in fake.jobs().items():
        named = words[:1] == ["-u"] and job["name"] == words[3]
        if (named or {id, id.partition("_")[0]} & set(words)) and job["state"] in GOING:
            fake.change(id, state="CANCELLED")


def go_wrong(program, fault, words, fake):
    """Do as a fault says."""
    how = fault["how"]
    if how == "accept and hang":
        submit(fake, words[0], answer=False)
    if how in ("hang", "accept and hang"):
        # In a process of its own, as where the program is a script around the real one.
        import subprocess

        process = subprocess.Popen(["/bin/sleep", "3600"])
        log(fake.folder, f"{program} hangs", str(process.pid))
        process.wait()
    if how == "accept and fail":
        submit(fake, words[0], answer=False)
    if how == "garbage":
        say("<html>503 slurmrestd is \x00 not here</html>")
        sys.exit(0)
    if how == "empty":
        sys.exit(0)
    say(
        fault["words"]
        or f"{program}: error: Unable to contact slurm controller (connect failure)",
        sys.stderr,
    )
    sys.exit(1)


def main(folder, program, *words):
    fake = FakeSlurm(folder)
    log(fake.folder, program, *words)
    if fault := fake.fault_of(program):
        go_wrong(program, fault, words, fake)
    if program == "sbatch":
        submit(fake, words[0])
    elif program == "squeue":
        show_queue(fake, list(words))
    elif program == "sacct":
        show_accounting(fake, list(words))
    elif program == "scancel":
        cancel(fake, list(words))
    else:
        array = json.loads((fake.folder / "settings").read_text())["array"]
        say(
            f"Configuration data\nMaxArraySize            = {array}\nMaxDBDMsgs              = 20004"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
