"""A sync that is killed at any moment leaves the former or the new snapshot, whole, and no temporary file."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import open_for_reading
from cachescope.catalogue.reader import Reader
from tests.catalogues import rows, standing
from tests.commands import CommandLine

_PROGRAM = """
import os, signal, sys, time
import cachescope.catalogue.reader, cachescope.jobs.published_pages, cachescope.jobs.refresh
import cachescope.present.to_text, cachescope.transport.opening
from cachescope.cli.main import run
print("ready", flush=True)
for line in sys.stdin:
    delay, *arguments = line.rstrip().split(chr(9))
    started = time.monotonic()
    process = os.fork()
    if not process:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        run(arguments)
    if delay != "never":
        time.sleep(float(delay))
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    print(time.monotonic() - started, flush=True)
"""


@pytest.fixture
def catalogue_address(catalogue_file: Path) -> CatalogueAddress:
    """What is tried here is tried with a file."""
    return catalogue_file


class Nursery:
    """Starts commands as processes that need no time to begin: a kill then falls into the work itself."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def run(self, *arguments: str | Path, kill_after: float | None = None) -> float:
        """Run a command, to its end or until it is killed; returns how long it took, in seconds."""
        stdin = self._process.stdin
        assert stdin is not None
        delay = "never" if kill_after is None else kill_after
        stdin.write("\t".join(map(str, (delay, *arguments))) + "\n")
        stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture
def nursery(held: Path) -> Iterator[Nursery]:
    del held  # its folder of temporary files stands in the environment of the process
    with Nursery() as processes:
        yield processes


def _kill_at_random(
    count: int, nursery: Nursery, synced: Path, states: list[Path], held: Path, run: CommandLine
) -> Counter[str]:
    """Kill syncs after delays over the whole length of one; returns which state they left how often."""
    pristine, former = synced.read_bytes(), standing(synced)
    db = synced.with_name("killed.sqlite")
    sync = ("--db", db, "sync", states[1], "--as", "site")
    db.write_bytes(pristine)
    length = nursery.run(*sync)
    new = standing(db)
    assert former != new
    dice = random.Random(count)  # noqa: S311 - spread, not secrecy
    left: Counter[str] = Counter()
    for _ in range(count):
        for file in db.parent.glob(f"{db.name}*"):
            file.unlink()
        db.write_bytes(pristine)
        nursery.run(*sync, kill_after=length * dice.uniform(0, 1.1))
        assert list(held.iterdir()) == []
        assert rows(db, "PRAGMA integrity_check") == [("ok",)]
        left[{former: "former", new: "new"}[standing(db)]] += 1
        run.well(*sync)
        assert standing(db) == new, "the index was written twice, or not at all"
    return left


def test_a_sync_that_is_killed_20_times_leaves_the_former_or_the_new_snapshot(
    nursery: Nursery, synced: Path, states: list[Path], held: Path, run: CommandLine
) -> None:
    left = _kill_at_random(20, nursery, synced, states, held, run)
    assert left.total() == 20
    assert left["former"] > 0


@pytest.mark.soak
def test_a_sync_that_is_killed_100_times_leaves_the_former_or_the_new_snapshot(
    nursery: Nursery, synced: Path, states: list[Path], held: Path, run: CommandLine
) -> None:
    left = _kill_at_random(100, nursery, synced, states, held, run)
    assert left.total() == 100
    assert left["former"] > 0 < left["new"]


def test_a_first_sync_that_is_killed_leaves_a_catalogue_that_answers_and_can_be_synced(
    nursery: Nursery, states: list[Path], held: Path, tmp_path: Path, run: CommandLine
) -> None:
    files = {delay: tmp_path / f"{delay}.sqlite" for delay in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)}
    for delay, db in files.items():
        nursery.run("--db", db, "sync", states[0], "--as", "site", kill_after=delay)
        with open_for_reading(db, busy_timeout=5) as catalogue:
            sources = Reader(catalogue).sources()
        assert [one.counts.total for one in sources] in ([], [0], [3000])
        assert list(held.iterdir()) == []
        run.well("--db", db, "sync", states[0], "--as", "site")
        assert standing(db).mentioned > 0


@pytest.fixture
def three(catalogue_file: Path, states: list[Path], tmp_path: Path, run: CommandLine) -> tuple[Path, ...]:
    """Links to the first state, which a catalogue has as three mirrors."""
    links = tuple(tmp_path / name for name in ("a", "b", "c"))
    for link in links:
        link.symlink_to(states[0])
        run.well("--db", catalogue_file, "add", f"site/{link.name}", link)
    run.well("--db", catalogue_file, "sync")
    return links


def test_a_sync_of_several_mirrors_that_is_killed_leaves_each_of_them_whole(
    nursery: Nursery,
    three: tuple[Path, ...],
    catalogue_file: Path,
    states: list[Path],
    held: Path,
    run: CommandLine,
) -> None:
    def snapshots(db: Path) -> dict[str, int]:
        """Return how many snapshots each mirror had."""
        return dict(
            rows(
                db,
                "SELECT stack, count(*) FROM snapshot JOIN source ON source.id = source_id"
                " JOIN mirror ON mirror.id = mirror_id GROUP BY stack",
            )
        )

    for link in three:
        link.unlink()
        link.symlink_to(states[1])
    pristine = catalogue_file.read_bytes()
    db = catalogue_file.with_name("killed.sqlite")
    db.write_bytes(pristine)
    length = nursery.run("--db", db, "sync")
    new = {"a": 2, "b": 2, "c": 2}
    assert snapshots(db) == new
    left: Counter[int] = Counter()
    for number in range(10):
        for file in db.parent.glob(f"{db.name}*"):
            file.unlink()
        db.write_bytes(pristine)
        nursery.run("--db", db, "sync", kill_after=length * number / 10)
        assert list(held.iterdir()) == []
        run.well("--db", db, "db", "check")
        left[sum(snapshots(db).values())] += 1
    assert left[3] > 0
    run.well("--db", db, "sync")
    assert snapshots(db) == new
