"""Arrays that a thread reads while SQL answers everybody, as in a server: nobody waits, and nothing is left of it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from psycopg import ServerCursor
from psycopg.errors import DivisionByZero, QueryCanceled
from sqlalchemy import Engine, QueuePool, event, text

from cachescope import compose
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.engine import Catalogue, open_for_reading
from cachescope.catalogue.kept_arrays import KeptArrays
from cachescope.catalogue.patience import Patience
from cachescope.catalogue.reader import Reader
from cachescope.catalogue.reading_arrays import read_arrays
from cachescope.model.errors import AnswerTooSlow, CatalogueUnusable
from cachescope.model.results import SearchResult
from cachescope.settings import Settings
from tests import mirrors
from tests.catalogues import OpenCatalogue

BROAD = "^cr-zlib"
LONG = 120.0
"""Seconds that no wait of these tests comes near to."""

SHORT = 1.0
"""Seconds: far more than a busy machine takes for a search of the sample."""


def search(reader: Reader, query: str = BROAD) -> SearchResult:
    return reader.search(query, ref=None, stack=None, limit=7)


def counted(steps: int) -> str:
    """Return a statement that takes that many steps."""
    return (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {steps}) "  # noqa: S608 - a number
        "SELECT count(*), count(*) FROM n"
    )


FOR_EVER = counted(2_000_000_000)


class Edges:
    """What happens at the statement by which a thread reads all edges."""

    def __init__(self) -> None:
        self.read_by: list[str] = []
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.instead: str | None = None

    def note(self, *arguments: Any) -> tuple[str, Any]:
        statement, parameters = arguments[2:4]
        if "edge.child_id" not in statement or "WHERE" in statement:
            return statement, parameters
        self.read_by.append(threading.current_thread().name)
        self.begun.set()
        assert self.may_go_on.wait(LONG)
        return (statement, parameters) if self.instead is None else (self.instead, ())


@contextmanager
def edges_of(catalogue: Catalogue) -> Iterator[Edges]:
    edges = Edges()
    event.listen(catalogue.engine, "before_cursor_execute", edges.note, retval=True)
    try:
        yield edges
    finally:
        edges.may_go_on.set()
        event.remove(catalogue.engine, "before_cursor_execute", edges.note)


@contextmanager
def staying(address: CatalogueAddress, patience: Patience | None = None) -> Iterator[tuple[Reader, Edges]]:
    """Open a catalogue as a server does."""
    with (
        open_for_reading(address, busy_timeout=1, patience=patience) as catalogue,
        edges_of(catalogue) as edges,
    ):
        yield Reader(catalogue, beside=True), edges
    assert left() == []


def left() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("reading-beside")]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def arrays_are_there(reader: Reader) -> bool:
    return reader._arrays._arrays is not None


def test_sql_answers_everybody_while_the_arrays_are_read(each_sample: CatalogueAddress) -> None:
    with staying(each_sample) as (reader, edges):
        expected = search(reader)
        edges.may_go_on.clear()
        for _ in range(4):
            assert search(reader) == expected
        assert edges.begun.wait(LONG)
        assert search(reader) == expected
        assert not arrays_are_there(reader)
        edges.may_go_on.set()
        until(lambda: arrays_are_there(reader))
        assert search(reader) == expected
        assert edges.read_by == ["reading-beside"]


def test_one_broad_query_starts_no_thread(each_sample: CatalogueAddress) -> None:
    with staying(each_sample) as (reader, edges):
        for query in ("cr-zlib", BROAD, "cr-zlib", "/vwxwg7q"):
            search(reader, query)
        assert left() == []
        assert edges.read_by == []


def test_who_does_not_stay_starts_no_thread(sample_file: Path) -> None:
    """Commands, among them ``search --batch``: there the one who asks is the only one, and waits for all answers."""
    with (
        compose.reading(Settings(db=str(sample_file))) as (catalogue, reader),
        edges_of(catalogue) as edges,
    ):
        for _ in range(3):
            search(reader)
    assert edges.read_by == [threading.current_thread().name]


def test_server_reads_arrays_beside(sample_file: Path) -> None:
    """Through the whole application, from the first request to its end."""
    edges = Edges()
    event.listen(Engine, "before_cursor_execute", edges.note, retval=True)
    try:
        with compose.web_service(Settings(db=str(sample_file)))(0) as app, TestClient(app) as client:
            edges.instead = FOR_EVER
            answers = [client.get("/api/v1/search", params={"q": BROAD}).content for _ in range(4)]
            assert edges.begun.wait(LONG)
            assert left() == ["reading-beside"]
        assert left() == []
    finally:
        event.remove(Engine, "before_cursor_execute", edges.note)
    assert len(set(answers)) == 1
    assert edges.read_by == ["reading-beside"]


def test_end_of_the_catalogue_cuts_reading_off(
    each_sample: CatalogueAddress, caplog: pytest.LogCaptureFixture
) -> None:
    with staying(each_sample) as (reader, edges):
        edges.instead = FOR_EVER
        for _ in range(2):
            search(reader)
        assert edges.begun.wait(LONG)
        assert left() == ["reading-beside"]
        pool = reader._catalogue.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0
    assert caplog.records == []


def test_end_of_a_server_cuts_reading_off_before_requests_are_given_up(
    each_sample: CatalogueAddress, caplog: pytest.LogCaptureFixture
) -> None:
    patience = Patience(LONG)
    with staying(each_sample, patience) as (reader, edges):
        edges.instead = FOR_EVER
        expected = [search(reader) for _ in range(2)]
        assert edges.begun.wait(LONG)
        reader._catalogue.end_beside()
        assert left() == []
        assert [search(reader) for _ in range(2)] == expected
        patience.end()
    assert caplog.records == []
    assert len(edges.read_by) == 1


def test_nothing_is_read_once_the_catalogue_ends(each_sample: CatalogueAddress) -> None:
    with staying(each_sample) as (reader, edges):
        reader._catalogue.end_beside()
        expected = search(reader)
        assert [search(reader) for _ in range(3)] == [expected] * 3
        assert edges.read_by == []


def test_reading_may_take_longer_than_an_answer_and_answers_may_not(each_sample: CatalogueAddress) -> None:
    with staying(each_sample, Patience(SHORT)) as (reader, edges):
        edges.may_go_on.clear()
        edges.instead = f"{counted(6_000_000)} HAVING count(*) < 0"  # finds nothing, after longer than that
        for _ in range(2):
            search(reader)
        assert edges.begun.wait(LONG)
        with pytest.raises(AnswerTooSlow) as caught, reader._catalogue.reading() as connection:
            connection.execute(text(FOR_EVER))
        assert caught.value.http_status == 503
        edges.may_go_on.set()
        until(lambda: arrays_are_there(reader))


@pytest.mark.parametrize("is_read", [False, True])
def test_who_is_given_up_while_arrays_are_read_is_told_to_come_again(
    each_sample: CatalogueAddress, *, is_read: bool
) -> None:
    with staying(each_sample, Patience(SHORT)) as (reader, edges):
        edges.may_go_on.clear()
        for _ in range(2 * is_read):
            search(reader)
        assert edges.begun.wait(LONG * is_read) is is_read

        def for_ever(*arguments: Any) -> tuple[str, Any]:
            ours = threading.current_thread() is threading.main_thread()
            return (FOR_EVER, ()) if ours and "FROM spec" in arguments[2] else arguments[2:4]

        event.listen(reader._catalogue.engine, "before_cursor_execute", for_ever, retval=True)
        with pytest.raises(AnswerTooSlow) as caught:
            search(reader)
        event.remove(reader._catalogue.engine, "before_cursor_execute", for_ever)
        assert ("ask again" in (caught.value.hint or "")) is is_read
        assert "narrower query" in (caught.value.hint or "")


def test_error_of_the_thread_is_logged_and_its_state_given_up(
    each_sample: CatalogueAddress, caplog: pytest.LogCaptureFixture
) -> None:
    with staying(each_sample) as (reader, edges):
        reader._arrays = KeptArrays(reader._catalogue, beside=True, clock=lambda: 0)
        expected = search(reader)
        edges.instead = "SELECT nonsense FROM edge"
        search(reader)
        until(lambda: bool(caplog.records) and not left())
        assert [search(reader) for _ in range(4)] == [expected] * 4
        assert len(edges.read_by) == 1
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "nonsense" in caplog.text


def test_arrays_of_a_state_that_passed_while_they_were_read_answer_nothing(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    def write(*names: str) -> None:
        nodes = [mirrors.node(one) for one in names]
        mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))

    def found() -> list[str]:
        return [one.name for one in search(reader, "*").specs]

    write("a", "b")
    opened.sync("site", tmp_path / "mirror")
    with staying(opened.address) as (reader, edges):
        reader._arrays = KeptArrays(reader._catalogue, beside=True, clock=lambda: 0)
        edges.may_go_on.clear()
        assert [found() for _ in range(2)] == [["a", "b"]] * 2
        assert edges.begun.wait(LONG)
        write("b", "c")
        opened.pass_time(1)
        opened.sync_again("site")
        assert found() == ["b", "c"]
        edges.may_go_on.set()
        until(lambda: not reader._arrays.is_reading)
        assert not arrays_are_there(reader)
        assert found() == ["b", "c"]
        until(lambda: arrays_are_there(reader))
        assert found() == ["b", "c"]
        assert len(edges.read_by) == 2


def test_arrays_are_of_the_state_that_the_thread_sees(opened: OpenCatalogue, tmp_path: Path) -> None:
    """A sync may end between the question and the first statement of the thread."""
    mirrors.write_v3(tmp_path / "a", mirrors.index(mirrors.installs([mirrors.node("a")])))
    mirrors.write_v3(tmp_path / "b", mirrors.index(mirrors.installs([mirrors.node("b")])))
    opened.sync("one", tmp_path / "a")
    with staying(opened.address) as (reader, edges):
        began: list[object] = []

        def sync_first(_: object) -> None:
            if threading.current_thread().name == "reading-beside" and not began:
                began.append(opened.sync("two", tmp_path / "b"))

        event.listen(reader._catalogue.engine, "begin", sync_first, insert=True)
        for _ in range(2):
            search(reader, "*")
        until(lambda: arrays_are_there(reader))
        assert [one.name for one in search(reader, "*").specs] == ["a", "b"]
        assert began
        assert len(edges.read_by) == 1


def test_cut_off_while_the_server_closes_a_cursor_leaves_none_open(
    each_sample: CatalogueAddress, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(each_sample, Path):
        pytest.skip("SQLite closes cursors by itself")
    closed: list[ServerCursor[Any]] = []
    close = ServerCursor.close

    def cut_off_at_first(cursor: ServerCursor[Any]) -> None:
        if cursor not in closed:
            closed.append(cursor)
            with suppress(DivisionByZero):
                cursor.connection.execute(
                    "SELECT 1/0"
                )  # after a failure, as after a cut, the server takes no command
            raise QueryCanceled("cut off while it was closed")
        close(cursor)

    monkeypatch.setattr(ServerCursor, "close", cut_off_at_first)
    with (
        open_for_reading(each_sample, busy_timeout=1) as catalogue,
        pytest.raises(CatalogueUnusable),
        catalogue.reading() as connection,
    ):
        read_arrays(connection)
    assert [one.closed for one in closed] == [True]
    assert caplog.records == []
