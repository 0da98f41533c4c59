"""`archselect report` on a folder of many records, in a process of its own as a user starts it.

How many is in ARCHSELECT_PERF_RECORDS; what a hundred thousand take is in docs/speed.md.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

RECORDS = int(os.environ.get("ARCHSELECT_PERF_RECORDS", "2000"))


@pytest.mark.benchmark(group=f"report: {RECORDS:,} records")
def test_report(benchmark, tmp_path):
    make = [sys.executable, Path(__file__).with_name("many_records.py"), tmp_path / "many", "--records", f"{RECORDS}"]
    subprocess.run(make, check=True)
    command = ["archselect", "report", str(tmp_path / "many")]
    benchmark.pedantic(lambda: subprocess.run(command, capture_output=True, check=True), rounds=1)
    benchmark.extra_info["MiB at most"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    assert (tmp_path / "many" / "report.html").is_file()
