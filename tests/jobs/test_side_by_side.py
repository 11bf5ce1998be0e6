"""A sync that is interrupted, or runs beside other writers and readers."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy.engine.interfaces import DBAPIConnection

from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.checking import check
from cachescope.catalogue.engine import Catalogue, open_for_reading
from cachescope.catalogue.reader import Reader
from cachescope.jobs.progress import NoProgress
from tests.catalogues import OpenCatalogue, content, standing
from tests.commands import CommandLine, start
from tests.mirrors import manifest_place
from tests.postgresql import PostgresqlServer
from tests.servers import HANGING, MirrorServer

INTERRUPTED = 130
TOLD = "interrupted; what was not finished is in the catalogue as it was before\n"


def _sync(db: CatalogueAddress, mirror: Path) -> "subprocess.Popen[bytes]":
    return start("sync", mirror, "--as", "site", db=db)


def _wait_until_open(process: "subprocess.Popen[bytes]", file: Path) -> None:
    """Wait until a process has a file open: then it is past its start, in which Ctrl-C belongs to Python.

    Where it was looked at too seldom, it has ended meanwhile.
    """
    descriptors = Path(f"/proc/{process.pid}/fd")
    if not descriptors.exists():
        time.sleep(3)
        return
    for _ in range(6000):
        # It may end in the middle of this: what is not there then, or may not be looked at, is not the file.
        with suppress(FileNotFoundError, PermissionError):
            if any(one.readlink() == file.resolve() for one in descriptors.iterdir()):
                return
        if process.poll() is not None:
            return
        time.sleep(0.01)
    raise AssertionError(f"{file} was never opened")


def test_ctrl_c_ends_a_sync_with_130_and_keeps_the_former_snapshot(
    synced: Path, states: list[Path], held: Path
) -> None:
    former = standing(synced)
    # The write lock is held, so that the sync is certainly under way, and waiting, when the signal comes.
    with closing(sqlite3.connect(synced, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with _sync(synced, states[1]) as interrupted:
            _wait_until_open(interrupted, synced)
            interrupted.send_signal(signal.SIGINT)
            _, err = interrupted.communicate(timeout=120)
    assert interrupted.returncode == INTERRUPTED
    assert err.decode().lstrip() == TOLD
    assert standing(synced) == former
    assert list(held.iterdir()) == []


def test_ctrl_c_at_a_slow_mirror_ends_a_sync_with_130(synced: Path, held: Path) -> None:
    former = standing(synced)
    with (
        MirrorServer({f"/{manifest_place()}": HANGING}) as server,
        start("sync", server.url, "--as", "site", db=synced) as interrupted,
    ):
        server.wait_for_requests(1)
        interrupted.send_signal(signal.SIGINT)
        interrupted.communicate(timeout=120)
    assert interrupted.returncode == INTERRUPTED
    assert standing(synced) == former
    assert list(held.iterdir()) == []


def test_ctrl_c_while_records_are_written_keeps_the_former_snapshot(
    opened: OpenCatalogue, states: list[Path]
) -> None:
    class Interrupting(NoProgress):
        def writing(self, name: str, done: int, total: int) -> None:
            assert (name, done <= total) == ("site/root", True)
            raise KeyboardInterrupt

    opened.sync("site", states[0])
    former = standing(opened.address)
    with pytest.raises(KeyboardInterrupt):
        opened.sync("site", states[1], progress=Interrupting())
    assert standing(opened.address) == former
    (outcome,) = opened.sync("site", states[1])
    assert outcome.error is None
    assert standing(opened.address) != former


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.07, 0.12, 0.2, 0.3, 0.4])
def test_ctrl_c_at_any_moment_of_a_sync_ends_with_130(
    delay: float, synced: Path, states: list[Path], held: Path
) -> None:
    with _sync(synced, states[1]) as interrupted:
        _wait_until_open(interrupted, synced)
        time.sleep(delay)
        interrupted.send_signal(signal.SIGINT)
        _, err = interrupted.communicate(timeout=120)
    # The sync may have ended before the signal came; while Python takes itself down, it is the system that ends it.
    assert interrupted.returncode in {INTERRUPTED, 0, -signal.SIGINT}, err.decode()
    assert b"Traceback" not in err
    with OpenCatalogue(synced) as opened:
        assert opened.rows("PRAGMA integrity_check") == [("ok",)]
    assert list(held.iterdir()) == []


def test_ctrl_c_after_the_last_commit_claims_nothing_of_what_was_read(
    run: CommandLine, catalogue_address: CatalogueAddress, states: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.well("sync", states[0], "--as", "site")
    former = standing(catalogue_address)
    closed = Catalogue.close

    def interrupted(catalogue: Catalogue) -> None:
        closed(catalogue)
        raise KeyboardInterrupt

    monkeypatch.setattr(Catalogue, "close", interrupted)
    ended = run("sync", states[1], "--as", "site")
    assert (ended.code, ended.err.endswith(TOLD)) == (INTERRUPTED, True), ended
    assert standing(catalogue_address) != former


def test_ctrl_c_while_a_connection_is_closed_is_told_once(
    opened: OpenCatalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(connection: DBAPIConnection) -> None:
        connection.close()
        raise KeyboardInterrupt

    with opened.catalogue.reading():
        pass
    monkeypatch.setattr(opened.catalogue.engine.dialect, "do_close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened.catalogue.close()
    assert caplog.records == []


def test_ctrl_c_in_a_finalizer_is_not_lost() -> None:
    program = """
import signal, time
from cachescope import __main__
from cachescope.cli import main

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def run():
    Finalized()
    time.sleep(20)

main.run = run
__main__.main()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (INTERRUPTED, b"")


def test_two_syncs_of_one_mirror_at_once_give_what_one_gives(
    each_new_catalogue: Callable[[], CatalogueAddress], states: list[Path]
) -> None:
    alone, shared = each_new_catalogue(), each_new_catalogue()
    for address in (alone, shared):
        with OpenCatalogue(address) as opened:
            opened.sync("site", states[0])
    with OpenCatalogue(alone) as opened:
        opened.sync("site", states[1])
    with _sync(shared, states[1]) as first, _sync(shared, states[1]) as second:
        ended = [running.communicate(timeout=120) for running in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ended
    assert list(content(shared)) == list(content(alone))
    with OpenCatalogue(shared) as opened:
        assert check(opened.catalogue).findings == ()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_first_syncs_at_once_make_one_catalogue(
    kind: str, states: list[Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    db: CatalogueAddress = tmp_path / "new.sqlite"
    if kind == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        db = server.new_database()
    with _sync(db, states[0]) as first, _sync(db, states[0]) as second:
        ended = [running.communicate(timeout=120) for running in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ended
    standing(db)


def test_readers_beside_a_sync_never_wait_fail_or_see_half_a_snapshot(
    each_synced: CatalogueAddress, states: list[Path]
) -> None:
    done, figures = Event(), set(_present(states))

    def read() -> set[tuple[int, int]]:
        seen = set()
        with open_for_reading(each_synced, busy_timeout=0.5) as catalogue:
            reader = Reader(catalogue)
            while not done.is_set():
                (source,) = reader.sources()
                found = reader.search("*", ref=None, stack=None, limit=1)
                listed = reader.packages(ref=None, stack=None)
                assert sum(one.counts.present for one in listed.packages) in figures
                seen.add((source.counts.present, found.total))
                time.sleep(0.01)  # others need the processor too
        return seen

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for state in (states[1], states[0]):
                with _sync(each_synced, state) as running:
                    running.communicate(timeout=120)
                assert running.returncode == 0
        finally:
            done.set()
        seen = set().union(*(one.result() for one in readers))
    # A sync may end between the two questions of a reader, never in the middle of one.
    assert {figure for pair in seen for figure in pair} <= figures


def _present(states: list[Path]) -> Iterator[int]:
    for state in states:
        (blob,) = [one for one in (state / "blobs").rglob("*") if one.is_file()]
        yield blob.read_bytes().count(b'"in_buildcache":true')
