"""Print in one line how many tests were skipped, and why.

The arguments are JUnit XML files, one per environment. A test that several environments
ran counts as skipped if none of them executed it. Reasons are grouped by what stands
before their first colon.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

EXECUTED = None


def read_reasons(path):
    """Return by test the reason for which it was skipped, or EXECUTED."""
    reasons = {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        skipped = case.find("skipped")
        is_skip = skipped is not None and skipped.get("type") == "pytest.skip"
        reasons[name] = skipped.get("message") if is_skip else EXECUTED
    return reasons


def merge_reasons(paths):
    """Return the reasons of all files; a test that one of them executed is executed."""
    merged = {}
    for path in paths:
        for name, reason in read_reasons(path).items():
            merged[name] = EXECUTED if reason is EXECUTED else merged.get(name, reason)
    return merged


def summarise(reasons):
    """Return the line to print."""
    counts = Counter(
        reason.partition(":")[0]
        for reason in reasons.values()
        if reason is not EXECUTED
    )
    line = f"{counts.total()} of {len(reasons)} tests were skipped"
    if counts:
        line += ": " + "; ".join(
            f"{count} × {reason}" for reason, count in counts.most_common()
        )
    return line


def main():
    """Read the files that the command line names."""
    paths = [path for path in map(Path, sys.argv[1:]) if path.is_file()]
    if paths:
        print(summarise(merge_reasons(paths)))  # noqa: T201
    else:
        print("no test results: no test has run to its end")  # noqa: T201


if __name__ == "__main__":
    main()
