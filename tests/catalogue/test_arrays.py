"""Queries over arrays: the same answers as SQL gives, of the state that is asked for, read once by who stays."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from cachescope.catalogue import schema as t
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.finding import SORTS
from cachescope.catalogue.kept_arrays import KeptArrays
from cachescope.catalogue.reader import Reader
from cachescope.catalogue.reading_arrays import read_arrays
from cachescope.model.hosts import Host
from cachescope.model.identity import DagHash, Ref, Stack
from cachescope.model.results import SearchResult
from cachescope.query.hosts import parse_host
from tests import mirrors
from tests.catalogues import OpenCatalogue

BROAD = "^cr-zlib"


@pytest.fixture
def sample(each_sample: CatalogueAddress) -> Iterator[OpenCatalogue]:
    with OpenCatalogue(each_sample) as opened:
        yield opened


@pytest.fixture
def chain(opened: OpenCatalogue, tmp_path: Path) -> list[str]:
    """Packages of a catalogue, each of which needs the one before."""
    nodes = [mirrors.node("a")]
    for name in ("b", "c"):
        nodes.append(mirrors.node(name, needs=[(nodes[-1], "link", "")]))
    mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs(nodes)))
    opened.sync("site", tmp_path / "mirror")
    return [str(node["name"]) for node in nodes]


def search(reader: Reader, query: str, **options: Any) -> SearchResult:
    return reader.search(query, **{"ref": None, "stack": None, "limit": 7, **options})


def with_arrays(opened: OpenCatalogue) -> Reader:
    """Return a reader that answers from arrays."""
    reader = Reader(opened.catalogue)
    for _ in range(2):
        search(reader, "*")
    return reader


@contextmanager
def edges_read(opened: OpenCatalogue) -> Iterator[list[str]]:
    """Note each statement that reads all edges."""
    found: list[str] = []

    def note(*arguments: Any) -> None:
        if "edge.child_id" in arguments[2] and "WHERE" not in arguments[2]:
            found.append(arguments[2])

    event.listen(opened.catalogue.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(opened.catalogue.engine, "before_cursor_execute", note)


QUERIES = (
    "*",
    "cr-*",
    "cr-hdf ^cr-zlib",
    "cr-hdf %gcc ^cr-zlib",
    BROAD,
    "^crmpi",
    "%gcc",
    "%c=gcc@12:",
    "+shared",
    "++shared",
    "@1.2:",
    "target=x86_64_v3:",
    "os=none +shared",
    "cr-hdf os=none ^cr-zlib +shared",
    "^cr-zlib@99",
    "no-such-package ^cr-zlib",
    "^cr-zlib %gcc",
)


@pytest.mark.parametrize("query", QUERIES)
def test_arrays_give_the_answer_of_sql(sample: OpenCatalogue, query: str) -> None:
    arrays = with_arrays(sample)
    part: dict[str, Any] = {"ref": Ref("crafted"), "stack": Stack("v3-signed")}
    for given in ({}, {"mentioned": True}, {"limit": 0, "ref": Ref("crafted")}, part):
        # A reader of one question never reads the arrays.
        assert search(arrays, query, **given) == search(Reader(sample.catalogue), query, **given)


@pytest.mark.parametrize("sort", SORTS)
def test_arrays_order_as_sql_does(sample: OpenCatalogue, sort: str) -> None:
    arrays = with_arrays(sample)
    for limit in (0, 1, 5):
        given = {"sort": sort, "limit": limit, "mentioned": True}
        assert search(arrays, "*", **given) == search(Reader(sample.catalogue), "*", **given)


def test_arrays_know_what_runs_where(sample: OpenCatalogue) -> None:
    host: Host = parse_host("os=debian12,target=zen4,glibc=2.28", detect=Host)
    arrays = with_arrays(sample)
    for only_runnable in (False, True):
        given = {"host": host, "only_runnable": only_runnable}
        assert search(arrays, "%gcc", **given) == search(Reader(sample.catalogue), "%gcc", **given)


def test_parts_of_an_answer_of_arrays_are_the_answer(sample: OpenCatalogue) -> None:
    arrays = with_arrays(sample)
    found: list[DagHash] = []
    while part := search(arrays, BROAD, limit=3, after=found[-1] if found else None).specs:
        found += [one.hash for one in part]
    assert found == [one.hash for one in search(arrays, BROAD, limit=0).specs]


# -- when they are read -------------------------------------------------------------------------------------------------


def test_arrays_are_read_once_the_second_broad_query_is_asked(sample: OpenCatalogue) -> None:
    reader = Reader(sample.catalogue)
    with edges_read(sample) as found:
        for query in ("cr-zlib", BROAD, "cr-zlib", "/vwxwg7q"):
            search(reader, query)
        assert found == []
        for query in (BROAD, "%gcc", "cr-zlib", "cr-*"):
            search(reader, query)
    assert len(found) == 1


def test_arrays_are_those_of_the_newest_snapshot(opened: OpenCatalogue, tmp_path: Path) -> None:
    def write(*names: str) -> None:
        mirrors.write_v3(
            tmp_path / "mirror", mirrors.index(mirrors.installs([mirrors.node(one) for one in names]))
        )

    write("a", "b")
    opened.sync("site", tmp_path / "mirror")
    reader = with_arrays(opened)
    assert [one.name for one in search(reader, "*").specs] == ["a", "b"]
    write("b", "c")
    opened.pass_time(1)
    opened.sync_again("site")
    for _ in range(3):
        assert [one.name for one in search(reader, "*").specs] == ["b", "c"]


def test_arrays_are_never_those_of_a_mirror_that_another_one_took_the_place_of(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    """The new mirror has as many snapshots as the removed one had, and the same numbers."""
    reader = Reader(opened.catalogue)
    for name, version in (("a", "1.0"), ("b", "2.0")):
        mirrors.write_v3(tmp_path / name, mirrors.index(mirrors.installs([mirrors.node(name, version)])))
        opened.sync("site", tmp_path / name)
        for _ in range(3):
            assert [one.name for one in search(reader, f"@{version}").specs] == [name]
        opened.remove("site")
        opened.pass_time(1)


def test_arrays_are_not_read_for_each_of_many_snapshots(opened: OpenCatalogue, tmp_path: Path) -> None:
    """Reading takes a second of this clock, and is not done again in the ten seconds behind it."""
    seconds = count()
    reader = Reader(opened.catalogue)
    reader._arrays = KeptArrays(opened.catalogue, clock=lambda: next(seconds))
    read = []
    for version in ("1.0", "2.0"):
        mirrors.write_v3(tmp_path / "mirror", mirrors.index(mirrors.installs([mirrors.node("a", version)])))
        opened.pass_time(1)
        opened.sync("site", tmp_path / "mirror")
        with edges_read(opened) as found:
            for _ in range(13):
                assert [one.version for one in search(reader, "*").specs] == [version]
                read.append(len(found))
    assert read == [0, *[1] * 12, *[0] * 9, *[1] * 4]


def test_threads_read_the_arrays_once(sample: OpenCatalogue) -> None:
    reader = Reader(sample.catalogue)
    expected = search(Reader(sample.catalogue), BROAD)
    together = Barrier(6)

    def ask(_: int) -> Sequence[SearchResult]:
        together.wait(timeout=30)
        return [search(reader, BROAD) for _ in range(5)]

    with edges_read(sample) as found, ThreadPoolExecutor(6) as threads:
        answers = [one for many in threads.map(ask, range(6)) for one in many]
    assert answers == [expected] * 30
    assert len(found) == 1


# -- catalogues that no honest index makes --------------------------------------------------------------------------------


def add_edges(opened: OpenCatalogue, *edges: tuple[str, int | str]) -> None:
    """Add edges between specs, told by the names of their packages, or to a key that no spec has."""
    with opened.catalogue.writing() as connection:
        named = select(t.spec.c.id, t.name.c.text).join(t.name, t.name.c.id == t.spec.c.name_id)
        keys: dict[int | str, int] = {row.text: row.id for row in connection.execute(named)}
        kind = connection.execute(select(t.edge.c.kind_id).limit(1)).scalar_one()
        rows = [{"parent_id": keys[parent], "child_id": keys.get(child, child)} for parent, child in edges]
        connection.execute(insert(t.edge), [{**row, "position": 7, "kind_id": kind} for row in rows])


def test_sql_alone_answers_where_edges_run_in_a_circle(opened: OpenCatalogue, chain: list[str]) -> None:
    add_edges(opened, (chain[0], chain[-1]))
    with opened.catalogue.reading() as connection:
        assert read_arrays(connection) is None
    reader = with_arrays(opened)
    with edges_read(opened) as found:
        assert [one.name for one in search(reader, f"^{chain[0]}").specs] == chain
    assert found == []


def test_arrays_bear_edges_that_lead_nowhere(opened: OpenCatalogue, chain: list[str]) -> None:
    add_edges(opened, (chain[0], 4711))
    arrays = with_arrays(opened)
    for query in ("*", "^*", f"^{chain[0]}", f"^{chain[1]}"):
        assert search(arrays, query) == search(Reader(opened.catalogue), query)


def test_arrays_of_an_empty_catalogue_hold_nothing(opened: OpenCatalogue) -> None:
    with opened.catalogue.reading() as connection:
        arrays = read_arrays(connection)
    assert arrays is not None
    assert arrays.nbytes == 0
    assert search(with_arrays(opened), "++shared ^mpi").total == 0
