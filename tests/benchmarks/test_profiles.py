"""The benchmarks that ``make bench`` runs beside those of a sync and of queries: all of them, really run, very small."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / ".venv-bench" / "bin" / "python"
SMALL = (
    *("--records", "200", "--runs", "1", "--sizes", "200"),
    *("--bucket-refs", "2", "--bucket-stacks", "1", "--bucket-specs", "300"),
)
BLOCKS = ("start", "growth", "bucket", "packages", "pages")


def measured(folder: Path, peers: Path, *blocks: str) -> str:
    """Run benchmarks into a fresh report; return it."""
    unset = ("SPACK_ROOT", "CACHESCOPE_BENCH_NODES")
    kept = {key: value for key, value in os.environ.items() if key not in unset}
    only = [word for block in blocks for word in ("--only", block)]
    places: list[str | Path] = [
        "--data",
        folder / "data",
        "--report",
        folder / "docs" / "figures.md",
        "--peers-python",
        peers,
    ]
    command: list[str | Path] = [sys.executable, ROOT / "benchmarks" / "run.py", *SMALL, *only, *places]
    answer = subprocess.run(command, check=False, capture_output=True, env=kept)
    assert answer.returncode == 0, answer.stderr.decode()
    return (folder / "docs" / "figures.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is written where no peer of another environment is at hand."""
    return measured(tmp_path_factory.mktemp("alone"), Path("/nowhere/python"), *BLOCKS)


def table(report: str, block: str) -> list[list[str]]:
    """Read the cells of all rows of a block, heads left out."""
    text = report.partition(f"<!-- bench:{block} -->")[2].partition("<!-- /bench -->")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [cells for cells in rows if re.search(r"\d", cells[2])]


def test_every_block_has_its_prose_its_figures_and_how_they_were_made(report: str) -> None:
    assert re.findall(r"<!-- bench:(\w+) -->", report) == list(BLOCKS)
    assert report.count("Python 3.") == report.count("`python benchmarks/run.py ") == len(BLOCKS)
    assert all(len(table(report, block)) >= 2 for block in BLOCKS)


def test_curves_have_every_process_and_the_bytes(report: str) -> None:
    rows = table(report, "growth")
    assert {(cells[0], cells[1]) for cells in rows if not cells[1].isdigit()} >= {
        ("200", process)
        for process in ("`json.loads` of the same bytes", "`sqlite3` inserting as many rows", "first sync")
    }
    assert len([cells for cells in rows if cells[1].replace(",", "").isdigit()]) == 1


def test_bucket_was_read_as_a_whole_over_http(report: str) -> None:
    assert re.search(r"4 mirrors, [\d,]+ records, 300 distinct specs, ", report)
    assert [cells[0] for cells in table(report, "bucket")] == [
        "first sync of all",
        "sync of all, nothing changed",
        "`json.loads` of each, collector off",
    ]


def test_pages_of_every_kind_were_answered(report: str) -> None:
    assert [(cells[0], cells[1]) for cells in table(report, "pages")] == [
        (kind, "cachescope") for kind in ("binary", "package", "packages", "search for name and target")
    ]


def test_blocks_say_what_was_not_measured(report: str) -> None:
    reason = "there is no .venv-bench; 'make bench' makes it"
    for peer in ("orjson", "plots", "DuckDB, orjson", "datasette"):
        assert f"{peer} ({reason})" in report
    assert ".svg" not in report


def test_peers_of_the_other_environment_are_measured_and_plots_drawn(tmp_path: Path) -> None:
    if not PEERS.is_file():
        pytest.skip(f"no {PEERS.relative_to(ROOT)}: 'make bench' makes it")
    report = measured(tmp_path, PEERS, "growth", "packages", "pages")
    assert "`orjson.loads` of the same bytes" in [cells[1] for cells in table(report, "growth")]
    assert "DuckDB over the JSON" in [cells[0] for cells in table(report, "packages")]
    assert {cells[1] for cells in table(report, "pages")} == {"cachescope", "datasette"}
    plots = re.findall(r"!\[[\w ]+\]\((figures/growth-\w+\.svg)\)", report)
    assert len(plots) == 3
    for plot in plots:
        text = (tmp_path / "docs" / plot).read_text(encoding="utf-8")
        assert text.startswith("<?xml")
        assert "records" in text
