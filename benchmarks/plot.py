"""Draws curves as SVG, for ``growth.py``: ``.venv-bench/bin/python benchmarks/plot.py FOLDER PLOTS``.

``PLOTS`` is JSON: a list of ``{"file", "title", "y", "series": {name: [[x, y], ...]}}``; both axes are logarithmic.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

LARGE = 1_000_000


def main(folder: Path, plots: list[dict[str, Any]]) -> None:
    # By name: matplotlib stands in the environment of the peers alone.
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    # Text stays text, and the same figures give the same bytes.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cachescope"})
    pyplot = importlib.import_module("matplotlib.pyplot")
    for plot in plots:
        figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
        for number, (name, points) in enumerate(plot["series"].items()):
            marker = "osD^v<>phX"[number % 10]
            axes.plot(*zip(*points, strict=True), marker=marker, markersize=5, linewidth=1.5, label=name)
        axes.set(xscale="log", yscale="log", xlabel="records", ylabel=plot["y"], title=plot["title"])
        sizes = sorted({x for points in plot["series"].values() for x, _ in points})
        axes.set_xticks(sizes, [_size(size) for size in sizes])
        axes.set_xticks([], minor=True)
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
        figure.savefig(folder / plot["file"], metadata={"Date": None})
        pyplot.close(figure)


def _size(records: int) -> str:
    return f"{records / LARGE:g}M" if records >= LARGE else f"{records / 1000:g}k"


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
