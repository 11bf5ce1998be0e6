"""Mirrors that are read at another address than the registered one: they move as a whole, or stay as they were."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from cachescope.jobs.progress import NoProgress
from cachescope.model.errors import CatalogueUnusable, UserInputError
from cachescope.model.sources import SourceOutcome
from tests import mirrors
from tests.catalogues import OpenCatalogue
from tests.servers import MirrorServer

Write = Callable[[Path, bytes], object]

ZLIB = mirrors.node("zlib", "1.3.1")
CURL = mirrors.node("curl", "8.11.1", needs=[(ZLIB, "link", "")])
OLD = mirrors.index(mirrors.installs([ZLIB], [CURL]))
NEW = mirrors.index(mirrors.installs([ZLIB, CURL]))
ONE_BAD = mirrors.index(mirrors.installs([ZLIB, {**CURL, "arch": 5}]))

both_layouts = pytest.mark.parametrize("write", [mirrors.write_v3, mirrors.write_v2])


def _well(outcomes: Sequence[SourceOutcome]) -> list[str]:
    assert [outcome.error for outcome in outcomes] == [None] * len(outcomes)
    return [outcome.attempt.outcome for outcome in outcomes]


def _failed(outcomes: Sequence[SourceOutcome]) -> list[str]:
    assert all(outcome.attempt.outcome == "failed" for outcome in outcomes)
    return [str(outcome.error) for outcome in outcomes]


def _kept(opened: OpenCatalogue) -> object:
    """Return all that a sync may change, but for how the last attempt ended."""
    return (
        opened.rows("SELECT id, url FROM mirror ORDER BY id"),
        opened.rows("SELECT id, layout, view, present, mentioned FROM source ORDER BY id"),
        opened.rows("SELECT * FROM document ORDER BY source_id"),
        opened.rows("SELECT * FROM snapshot ORDER BY id"),
        opened.rows("SELECT * FROM presence ORDER BY source_id, spec_id, since"),
        opened.rows("SELECT hash, knowledge, presence FROM spec ORDER BY hash"),
    )


def test_a_mirror_that_moved_is_read_anew_and_keeps_its_history(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    mirrors.write_v3(tmp_path / "old", OLD)
    mirrors.write_v3(tmp_path / "new", NEW)
    opened.sync("site", tmp_path / "old")
    opened.pass_time(days=1)
    assert _well(opened.sync("site", tmp_path / "new")) == ["updated"]
    (source,) = opened.reader.sources()
    assert str(source.url).endswith("/new")
    assert len(opened.reader.spec(CURL["hash"]).places) == 2


def test_a_mirror_does_not_move_to_a_place_that_cannot_be_read(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirrors.write_v3(tmp_path / "old", OLD)
    opened.sync("site", tmp_path / "old")
    before = _kept(opened)
    assert "nowhere" in _failed(opened.sync("site", tmp_path / "nowhere"))[0]
    assert _kept(opened) == before
    (source,) = opened.reader.sources()
    assert source.last_attempt.outcome == "failed"
    assert _well(opened.sync_again("site")) == ["unchanged"]


def test_a_mirror_that_was_never_read_is_told_to_fail_where_it_is_looked_for(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    opened.add("site", tmp_path / "nowhere")
    assert "elsewhere" in _failed(opened.sync("site", tmp_path / "elsewhere"))[0]
    ((url, reason),) = opened.rows("SELECT url, reason FROM mirror")
    assert url.endswith("/nowhere")
    assert "elsewhere" in reason


@both_layouts
def test_a_mirror_that_moved_with_the_same_index_is_not_written_again(
    opened: OpenCatalogue, tmp_path: Path, write: Write
) -> None:
    for place in ("old", "new"):
        write(tmp_path / place, OLD)
    opened.sync("site", tmp_path / "old")
    assert _well(opened.sync("site", tmp_path / "new")) == ["unchanged"]
    (source,) = opened.reader.sources()
    assert str(source.url).endswith("/new")
    assert opened.rows("SELECT count(*) FROM snapshot") == [(1,)]
    write(tmp_path / "new", NEW)
    assert _well(opened.sync_again("site")) == ["updated"]


@both_layouts
def test_what_a_strict_sync_refuses_it_refuses_at_a_new_place_too(
    opened: OpenCatalogue, tmp_path: Path, write: Write
) -> None:
    for place in ("old", "new"):
        write(tmp_path / place, ONE_BAD)
    assert _well(opened.sync("site", tmp_path / "old")) == ["updated"]
    before = _kept(opened)
    for outcomes in (
        opened.sync_again("site", strict=True),
        opened.sync("site", tmp_path / "new", strict=True),
    ):
        assert "cannot be read" in _failed(outcomes)[0]
        assert _kept(opened) == before
    assert _well(opened.sync("site", tmp_path / "new")) == ["unchanged"]


def test_a_mirror_moves_with_what_is_read_there_or_not_at_all(opened: OpenCatalogue, tmp_path: Path) -> None:
    mirrors.write_v3(tmp_path / "old", OLD)
    mirrors.write_v3(tmp_path / "new", NEW)
    opened.sync("site", tmp_path / "old")
    with closing(sqlite3.connect(opened.file)) as connection:
        connection.execute(
            "CREATE TRIGGER stays BEFORE UPDATE OF url ON mirror BEGIN SELECT RAISE(ABORT, 'it stays'); END"
        )
    before = _kept(opened)
    with pytest.raises(CatalogueUnusable, match="it stays"):
        opened.sync("site", tmp_path / "new")
    assert _kept(opened) == before


def test_a_mirror_stays_whole_where_a_layout_of_it_is_not_at_the_new_place(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    mirrors.write_v2(tmp_path / "old", OLD)
    mirrors.write_v3(tmp_path / "new", NEW)
    opened.sync("site", tmp_path / "old")
    before = _kept(opened)
    (told,) = _failed(opened.sync("site", tmp_path / "new"))
    assert "the index is gone" in told
    assert _kept(opened) == before
    assert _well(opened.sync_again("site")) == ["unchanged"]


def test_a_mirror_stays_whole_where_a_view_of_it_is_not_at_the_new_place(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for view in ("", "x"):
        mirrors.write_v3(tmp_path / "old", OLD, view=view)
    mirrors.write_v3(tmp_path / "new", OLD)
    with MirrorServer(folder=tmp_path / "old") as old, MirrorServer(folder=tmp_path / "new") as new:
        opened.sync("site", old.url)
        opened.sync("site@x", old.url)
        before = _kept(opened)
        default, view = _failed(opened.sync("site", new.url))
        assert "it stays where it was" in default
        assert "the index is gone" in view
        assert _kept(opened) == before, "also what to ask the old place with"
        mirrors.write_v3(tmp_path / "old", NEW)
        assert _well(opened.sync_again("site")) == ["updated", "unchanged"]


def test_one_view_does_not_move_the_rest_of_its_mirror(opened: OpenCatalogue, tmp_path: Path) -> None:
    for view in ("", "x"):
        mirrors.write_v3(tmp_path / "old", OLD, view=view)
    mirrors.write_v3(tmp_path / "new", NEW, view="x")
    opened.sync("site@x", tmp_path / "old")
    assert _well(opened.sync("site@x", tmp_path / "new")) == ["updated"], "it is all that is read of it"
    opened.sync("site@x", tmp_path / "old")
    opened.sync("site", tmp_path / "old")
    before = _kept(opened)
    with pytest.raises(UserInputError, match="has more than the view x"):
        opened.sync("site@x", tmp_path / "new")
    assert _kept(opened) == before


def test_what_is_read_at_a_new_place_counts_against_what_stands_when_it_is_written(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    for place in ("old", "new"):
        mirrors.write_v3(tmp_path / place, OLD)
    opened.sync("site", tmp_path / "old")

    class Meanwhile(NoProgress):
        """Another sync of the old place, while the new one is read."""

        def reading(self, name: str, done: int, total: int | None) -> None:
            del name, done, total
            mirrors.write_v3(tmp_path / "old", NEW)
            opened.sync_again("site")

    assert _well(opened.sync("site", tmp_path / "new", Meanwhile())) == ["updated"]
    assert opened.rows("SELECT count(*) FROM snapshot") == [(3,)]
    assert opened.found() == [ZLIB["hash"]]
    assert _well(opened.sync_again("site")) == ["unchanged"]
