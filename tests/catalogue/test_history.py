"""Presence is an interval: what stays costs nothing, what comes, goes or changes costs one row."""

import random
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy

from cachescope.catalogue import orphans
from cachescope.catalogue.address import CatalogueAddress
from cachescope.catalogue.checking import check
from cachescope.catalogue.knowledge import Knowledge
from cachescope.catalogue.upkeep import vacuum
from cachescope.model.errors import NotInCatalogue
from cachescope.model.identity import PackageName
from cachescope.model.results import Place
from tests import mirrors
from tests.catalogues import SEED_PAGE, START, V3, OpenCatalogue, content, rows, table_sizes

GCC = mirrors.node("gcc", "12.2.0")
ZLIB = mirrors.node("zlib", "1.3.1", needs=[(GCC, "build", "c")])
HDF5 = mirrors.node("hdf5", "1.14.5", needs=[(ZLIB, "build,link", ""), (GCC, "build", "c,cxx")])
CURL = mirrors.node("curl", "8.11.1", needs=[(ZLIB, "link", "")])
DAY = timedelta(days=1)


def _sync(opened: OpenCatalogue, folder: Path, present: list[mirrors.Node], *mentioned: mirrors.Node) -> None:
    mirrors.write_v3(folder, mirrors.index(mirrors.installs(present, mentioned)))
    (outcome,) = opened.sync("site", folder)
    assert outcome.error is None


def _places(opened: OpenCatalogue, node: mirrors.Node) -> list[tuple[str, int, int | None]]:
    """Return presence, first and last day of each place."""

    def days(place: Place) -> tuple[str, int, int | None]:
        until = (place.until - START).days if place.until is not None else None
        return place.presence.word, (place.since - START).days, until

    return [days(one) for one in opened.reader.spec(node["hash"]).places]


def test_an_interval_opens_with_the_snapshot_that_brings_a_record_and_closes_with_the_one_that_lacks_it(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path / "m", [ZLIB, CURL], GCC)
    opened.pass_time(days=1)
    _sync(opened, tmp_path / "m", [ZLIB, HDF5], GCC)
    assert _places(opened, ZLIB) == [("present", 0, None)]
    assert _places(opened, CURL) == [("present", 0, 1)]
    assert _places(opened, HDF5) == [("present", 1, None)]
    assert opened.found() == sorted([ZLIB["hash"], HDF5["hash"]])


def test_a_record_that_comes_back_has_two_intervals(opened: OpenCatalogue, tmp_path: Path) -> None:
    for present in ([ZLIB, CURL], [ZLIB], [ZLIB, CURL]):
        _sync(opened, tmp_path / "m", present, GCC)
        opened.pass_time(days=1)
    assert _places(opened, CURL) == [("present", 2, None), ("present", 0, 1)]


def test_a_mentioned_record_that_becomes_present_closes_one_interval_and_opens_another(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path / "m", [HDF5], ZLIB, GCC)
    assert opened.found() == [HDF5["hash"]]
    opened.pass_time(days=1)
    mirrors.write_v3(tmp_path / "m", mirrors.index(mirrors.installs([HDF5, ZLIB], [GCC])))
    (outcome,) = opened.sync_again("site")
    assert (outcome.added, outcome.gone, outcome.changed) == (0, 0, 1)
    assert (outcome.counts.present, outcome.counts.mentioned) == (2, 1)
    assert _places(opened, ZLIB) == [("present", 1, None), ("mentioned", 0, 1)]
    assert ZLIB["hash"] in opened.found("zlib")


def test_records_that_stay_cost_no_row(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path / "m", [ZLIB, HDF5], GCC)
    before = table_sizes(opened.address)
    opened.pass_time(days=1)
    _sync(opened, tmp_path / "m", [ZLIB, HDF5, CURL], GCC)
    after = table_sizes(opened.address)
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    # One record with one edge of a kind not met before, its name and version; its summaries in the mirror, its ref and all.
    # Its form is one that was met, so the record itself is not kept.
    assert grown == {
        "snapshot": 1,
        "spec": 1,
        "presence": 1,
        "edge": 1,
        "edge_kind": 1,
        "name": 1,
        "version": 1,
        "package_summary": 3,
    }


def test_a_second_read_of_the_same_records_grows_no_table_but_that_of_snapshots(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    shutil.copytree(V3, tmp_path / "m")
    opened.sync("site", tmp_path / "m")
    before, said = table_sizes(opened.address), list(content(opened.address))
    index = next(one for one in (V3 / "blobs").rglob("*") if one.is_file() and one.stat().st_size > 100_000)
    mirrors.write_v3(tmp_path / "m", index.read_bytes() + b"\n")
    (outcome,) = opened.sync("site", tmp_path / "m")
    assert (outcome.attempt.outcome, outcome.added) == ("updated", 0)
    after = table_sizes(opened.address)
    assert after == {**before, "snapshot": before["snapshot"] + 1}
    assert list(content(opened.address)) == said


def test_an_unchanged_mirror_costs_no_row_at_all(opened: OpenCatalogue) -> None:
    opened.sync("site", V3)
    before = table_sizes(opened.address)
    opened.pass_time(days=1)
    (outcome,) = opened.sync_again("site")
    assert outcome.attempt.outcome == "unchanged"
    assert (outcome.counts.present, outcome.counts.mentioned) == (90, 17)
    assert table_sizes(opened.address) == before


def test_the_same_spec_in_two_mirrors_stands_once_with_two_places(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        mirrors.write_v3(tmp_path / name, mirrors.index(mirrors.installs([ZLIB, HDF5], [GCC])))
    opened.sync("here/one", tmp_path / "one")
    before = table_sizes(opened.address)
    opened.sync("here/two", tmp_path / "two")
    after = table_sizes(opened.address)
    assert [after[name] - before[name] for name in ("spec", "spec_record", "edge", "presence")] == [
        0,
        0,
        0,
        3,
    ]
    places = opened.reader.spec(ZLIB["hash"]).places
    assert [str(one.source) for one in places] == ["here/one", "here/two"]
    assert opened.reader.search("zlib", ref=None, stack=None, limit=0).total == 1


def test_a_spec_has_the_highest_presence_that_a_source_gives_it_now(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    def highest(name: str, present: list[mirrors.Node], *mentioned: mirrors.Node) -> dict[str, int | None]:
        mirrors.write_v3(tmp_path / name, mirrors.index(mirrors.installs(present, mentioned)))
        (outcome,) = opened.sync(name, tmp_path / name)
        assert outcome.error is None
        return _highest(opened)

    zlib, curl, gcc = ZLIB["hash"], CURL["hash"], GCC["hash"]
    assert highest("one", [CURL], ZLIB, GCC) == {zlib: 0, curl: 2, gcc: 0}
    assert highest("two", [ZLIB], GCC) == {zlib: 2, curl: 2, gcc: 0}
    assert highest("one", [ZLIB, CURL, GCC]) == {zlib: 2, curl: 2, gcc: 2}
    assert highest("one", [GCC]) == {zlib: 2, curl: None, gcc: 2}
    assert highest("two", [GCC], ZLIB) == {zlib: 0, curl: None, gcc: 2}
    opened.remove("one")
    assert _highest(opened) == {zlib: 0, gcc: 2}
    opened.remove("two")
    assert _highest(opened) == {}


def _highest(opened: OpenCatalogue) -> dict[str, int | None]:
    return dict(rows(opened.address, "SELECT hash, presence FROM spec"))


def test_a_second_mirror_that_says_the_same_changes_no_spec(opened: OpenCatalogue, tmp_path: Path) -> None:
    shutil.copytree(V3, tmp_path / "m")
    opened.sync("one", tmp_path / "m")
    changes: list[str] = []

    @sqlalchemy.event.listens_for(opened.catalogue.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if re.match(r"(UPDATE|INSERT INTO|COPY) \"?spec\b", statement):
            changes.append(statement)

    opened.sync("two", tmp_path / "m")
    assert changes == []


def test_a_mirror_that_is_removed_takes_its_presence_and_summaries_along(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    mirrors.write_v3(tmp_path / "one", mirrors.index(mirrors.installs([ZLIB], [GCC])))
    mirrors.write_v3(tmp_path / "two", mirrors.index(mirrors.installs([ZLIB, CURL], [GCC])))
    opened.sync("here/one", tmp_path / "one")
    alone = list(content(opened.address))
    opened.sync("here/two", tmp_path / "two")
    opened.remove("here/two")
    assert opened.found("zlib") == [ZLIB["hash"]]
    assert opened.found("curl") == []
    with pytest.raises(NotInCatalogue):
        opened.reader.package(PackageName("curl"), ref=None, stack=None)
    assert [str(one) for one in opened.reader.mirror_names()] == ["here/one"]
    # Specs keep their row: they are facts for ever. All that speaks of mirrors is as it was.
    left = [one for one in content(opened.address) if CURL["hash"] not in one]
    assert left == alone


@pytest.mark.parametrize("few", [0, 1000], ids=["one by one", "all at once"])
def test_of_a_mirror_that_is_removed_only_what_others_need_stays(
    few: int, opened: OpenCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_FEW", few)
    deep = [mirrors.node("deep", "0", needs=[(HDF5, "link", "")])]
    for number in range(1, 4):
        deep.append(mirrors.node("deep", str(number), needs=[(deep[-1], "link", "")]))
    mirrors.write_v3(
        tmp_path / "one", mirrors.index(mirrors.installs([CURL], []))
    )  # and zlib, as it names it
    mirrors.write_v3(tmp_path / "two", mirrors.index(mirrors.installs([*deep, HDF5, ZLIB], [GCC])))
    mirrors.write_v3(tmp_path / "former", mirrors.index(mirrors.installs([deep[0]], [])))
    for name in ("one", "two", "former"):
        opened.sync(f"here/{name}", tmp_path / name)
    mirrors.write_v3(tmp_path / "former", mirrors.index(mirrors.installs([CURL], [])))
    opened.sync("here/former", tmp_path / "former")

    opened.remove("here/two")

    needed = {one["hash"] for one in (CURL, ZLIB, GCC, deep[0], HDF5)}
    assert {one for (one,) in opened.rows("SELECT hash FROM spec")} == needed
    assert check(opened.catalogue).findings == ()


def test_records_in_a_circle_go_at_the_latest_with_a_vacuum(
    opened: OpenCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "_FEW", 0)
    inner = mirrors.node("inner", "1")
    outer = mirrors.node("outer", "1", needs=[(inner, "link", "")])
    back = {**outer["dependencies"][0], "name": "outer", "hash": outer["hash"]}
    mirrors.write_v3(
        tmp_path / "m", mirrors.index(mirrors.installs([{**inner, "dependencies": [back]}, outer], []))
    )
    opened.sync("site", tmp_path / "m")
    opened.remove("site")
    assert len(opened.rows("SELECT hash FROM spec")) == 2
    assert vacuum(opened.catalogue, now=opened.clock, keep=None).specs == 2
    assert opened.rows("SELECT hash FROM spec") == []


def test_what_is_known_of_a_spec_grows_from_an_edge_to_a_page_to_a_record(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    def knowledge() -> int:
        ((level,),) = opened.rows("SELECT knowledge FROM spec WHERE hash = ?", ZLIB["hash"])
        return int(level)

    # An index whose record of zlib cannot be read: only the edge of another record names it.
    records = mirrors.installs([HDF5, ZLIB], [GCC])
    records[ZLIB["hash"]] = {"spec": {"name": "zlib", "version": 7}, "in_buildcache": True}
    mirrors.write_v3(tmp_path / "m", mirrors.index(records))
    (outcome,) = opened.sync("site", tmp_path / "m")
    assert len(outcome.rejected) == 1
    assert knowledge() == Knowledge.NAMED
    assert ZLIB["hash"] in [one.spec.hash for one in opened.reader.spec(HDF5["hash"]).dependencies]
    assert opened.reader.spec(ZLIB["hash"]).spec.name == "zlib"

    page = tmp_path / "zlib.md"
    seed = SEED_PAGE.read_text().replace("py-pdm-backend", "zlib")
    page.write_text(seed.replace(_first_hash(SEED_PAGE), ZLIB["hash"]))
    opened.sync_page(page)
    assert knowledge() == Knowledge.PAGE
    from_page = opened.reader.spec(ZLIB["hash"])
    assert (from_page.spec.version, from_page.dependencies_known) == ("2.4.3", False)

    mirrors.write_v3(tmp_path / "m", mirrors.index(mirrors.installs([HDF5, ZLIB], [GCC])))
    (outcome,) = opened.sync_again("site")
    assert (outcome.added, outcome.rejected) == (1, ())
    assert knowledge() == Knowledge.RECORD
    told = opened.reader.spec(ZLIB["hash"])
    assert (told.spec.version, told.spec.compiler_name) == ("1.3.1", "gcc@12.2.0")
    assert told.dependencies_known
    assert {str(one.source) for one in told.places} >= {"site/root", "develop/root"}


def test_a_spec_that_only_an_edge_names_shares_its_name_with_others(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path / "m", [ZLIB], GCC)
    other = mirrors.node("zlib", "1.2.13")
    needing = mirrors.node("needing", needs=[(other, "link", "")])
    records = mirrors.installs([needing, other])
    records[other["hash"]] = {"spec": {"name": "zlib", "version": 7}, "in_buildcache": True}
    mirrors.write_v3(tmp_path / "other", mirrors.index(records))
    (outcome,) = opened.sync("other", tmp_path / "other")
    assert (outcome.error, outcome.added, len(outcome.rejected)) == (None, 1, 1)
    (named,) = opened.reader.spec(needing["hash"]).dependencies
    assert (named.spec.name, named.spec.hash, named.spec.version) == ("zlib", other["hash"], "")


def test_a_dependency_that_stands_already_is_not_named_again(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path / "m", [ZLIB], GCC)
    opened.pass_time(days=1)
    _sync(opened, tmp_path / "m", [ZLIB, HDF5, CURL], GCC)
    assert len(opened.found()) == 3
    assert opened.rows("SELECT count(*) - count(DISTINCT text) FROM name") == [(0,)]


def _first_hash(page: Path) -> str:
    return page.read_text().split('"hash": "')[1][:32]


def test_the_order_of_records_does_not_matter(
    tmp_path: Path, each_new_catalogue: Callable[[], CatalogueAddress]
) -> None:
    index = next(one for one in (V3 / "blobs").rglob("*") if one.is_file() and one.stat().st_size > 100_000)
    records = list(mirrors.read_installs(index.read_bytes()).items())
    told = []
    for seed in (0, 1, 2):
        if seed:
            random.Random(seed).shuffle(records)  # noqa: S311 - the same order on every run
        address = each_new_catalogue()
        mirrors.write_v3(tmp_path / str(seed), mirrors.index(dict(records)))
        with OpenCatalogue(address) as opened:
            opened.sync("site", tmp_path / str(seed))
        told.append(list(content(address)))
    assert told[0] == told[1] == told[2]


def test_of_a_hash_that_stands_twice_in_an_index_the_last_counts(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    twice = mirrors.index(mirrors.installs([CURL], [ZLIB, GCC])).replace(
        b'"installs":{', b'"installs":' + mirrors.as_json(mirrors.installs([ZLIB]))[:-1] + b","
    )
    mirrors.write_v3(tmp_path / "m", twice)
    (outcome,) = opened.sync("site", tmp_path / "m")
    assert (outcome.counts.present, outcome.counts.mentioned) == (1, 2)
    assert _places(opened, ZLIB) == [("mentioned", 0, None)]
