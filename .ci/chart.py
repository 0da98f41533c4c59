"""Print the numbers of one study as github-action-benchmark's custom tools read them.

`python .ci/chart.py COMPARED.json DIRECTION` reads what `archselect compare FOLDER FOLDER --json COMPARED.json` wrote,
and prints a JSON list of objects with name, unit and value. The direction, higher or lower, says which metrics: those
of which more is better, or less.
"""

import json
import sys
from pathlib import Path

DIRECTIONS = ("higher", "lower")


def chart_points(compared, direction):
    """Return a point of each chart: one per metric, selector and place that has a value."""
    return [
        {
            "name": f"{change['metric']}: {change['selector']} ({change['place']})",
            "unit": change["unit"],
            "value": change["new"],
        }
        for change in compared["changes"]
        if change["better"] == direction and change["new"] is not None
    ]


def main():
    """Read the file and the direction that the command line names."""
    if len(sys.argv) != 3 or sys.argv[2] not in DIRECTIONS:
        sys.exit("usage: chart.py COMPARED.json higher|lower")
    compared = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    json.dump(chart_points(compared, sys.argv[2]), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
