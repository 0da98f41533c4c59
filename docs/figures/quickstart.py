"""Draws the figure of the README from a folder of the study `quickstart`.

python docs/figures/quickstart.py archselect-runs/quickstart docs/figures/quickstart.svg
"""

import sys
from pathlib import Path

from matplotlib import pyplot as plt

import archselect

COLOURS = {
    "random": "#6b7280",
    "magnitude": "#b45309",
    "darts-pt": "#1d4ed8",
    "zero-cost-pt": "#047857",
}


def draw(folder, path):
    """Draw accuracy over seconds of search, one dot per seed, and save it."""
    results = archselect.load(folder)
    runs = results.runs[results.runs.dataset == "digits"]
    best = (runs.accuracy + runs.gap).iloc[0]
    plt.rcParams["svg.fonttype"] = "none"
    plt.rcParams["svg.hashsalt"] = "quickstart"
    figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    axes.axhline(best, color="#6b7280", linestyle="--", linewidth=1)
    axes.annotate(
        f"best of 15,625 cells: {best:.1f} %",
        (0.5, best),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="center",
        color="#4b5563",
    )
    for name, colour in COLOURS.items():
        seeds = runs[runs.selector == name]
        axes.scatter(seeds.total_s, seeds.accuracy, s=22, color=colour, alpha=0.5)
        mean = seeds[["total_s", "accuracy"]].mean()
        axes.scatter(mean.total_s, mean.accuracy, s=90, marker="_", color=colour)
        axes.annotate(
            f"{name}\n{mean.accuracy:.1f} %",
            (mean.total_s, mean.accuracy),
            (9, -3),
            textcoords="offset points",
            va="top",
            color=colour,
            fontweight="bold",
        )
    axes.set(xlabel="seconds of search, one CPU core", ylabel="test accuracy in %")
    axes.set_xlim(-6, runs.total_s.max() * 1.18)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
