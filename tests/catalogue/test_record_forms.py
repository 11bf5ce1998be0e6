"""Originals come back byte for byte, whether they were kept or are written out again, and whoever tells of a spec first."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cachescope.catalogue.checking import check
from cachescope.catalogue.originals import RecordReader
from tests import mirrors
from tests.catalogues import OpenCatalogue

ZLIB = mirrors.node("zlib", "1.3.1")
CURL = mirrors.node("curl", "8.11.1", needs=[(ZLIB, "link", "")])
LIAR = mirrors.node("liar", "1.0", needs=[({**ZLIB, "name": "zlob"}, "link", "")])
OTHER_LIAR = mirrors.node("other-liar", "1.0", needs=[({**ZLIB, "name": "zlub"}, "build,run", "")])
EXTERNAL = mirrors.node("glibc", "2.36", external={"path": "/usr", "module": None}, needs=[(ZLIB, "run", "")])


def _sync(opened: OpenCatalogue, folder: Path, name: str, present: Sequence[mirrors.Node]) -> None:
    mirrors.write_v3(folder / name, mirrors.index(mirrors.installs(present)))
    (outcome,) = opened.sync(name, folder / name)
    assert outcome.error is None


def _originals(opened: OpenCatalogue) -> dict[str, bytes]:
    keys: dict[int, str] = dict(opened.rows("SELECT id, hash FROM spec"))
    with opened.catalogue.reading() as connection:
        return {keys[key]: record for key, record in RecordReader(connection).read(list(keys)).items()}


def _expected(*nodes: mirrors.Node) -> dict[str, bytes]:
    return {one["hash"]: mirrors.as_json(one) for one in nodes}


def _kept(opened: OpenCatalogue) -> set[str]:
    """Return the names of specs whose record itself is kept."""
    found = opened.rows(
        "SELECT name.text FROM spec_record JOIN spec ON spec.id = spec_id JOIN name ON name.id = spec.name_id"
    )
    return {name for (name,) in found}


def _whole(opened: OpenCatalogue) -> bool:
    findings = check(opened.catalogue).findings
    assert findings == ()
    return True


def test_plain_records_are_not_kept_and_come_back(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "site", [ZLIB, CURL, EXTERNAL])
    assert _originals(opened) == _expected(ZLIB, CURL, EXTERNAL)
    assert "curl" not in _kept(opened)
    assert "glibc" in _kept(opened)
    assert _whole(opened)


@pytest.mark.parametrize(
    "order", list(permutations([ZLIB, CURL, LIAR])), ids=lambda order: "-".join(one["name"] for one in order)
)
def test_a_record_that_calls_a_dependency_otherwise_is_kept(
    order: tuple[mirrors.Node, ...], opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path, "site", order)
    assert _originals(opened) == _expected(*order)
    assert "liar" in _kept(opened)
    assert _whole(opened)


@pytest.mark.parametrize(
    "order",
    list(permutations([ZLIB, CURL, LIAR, OTHER_LIAR])),
    ids=lambda order: "-".join(one["name"] for one in order),
)
def test_originals_come_back_whichever_mirror_is_read_first(
    order: tuple[mirrors.Node, ...], opened: OpenCatalogue, tmp_path: Path
) -> None:
    for number, one in enumerate(order):
        _sync(opened, tmp_path, f"m{number}", [one])
        assert _originals(opened) == _expected(*order[: number + 1])
    assert _whole(opened)


def test_two_names_for_what_has_no_record(opened: OpenCatalogue, tmp_path: Path) -> None:
    _sync(opened, tmp_path, "site", [LIAR, OTHER_LIAR])
    assert _originals(opened) == _expected(LIAR, OTHER_LIAR)
    _sync(opened, tmp_path, "site", [LIAR, CURL, OTHER_LIAR])
    assert _originals(opened) == _expected(LIAR, CURL, OTHER_LIAR)
    assert _whole(opened)


def test_a_record_that_was_altered_gives_way_with_all_that_it_said(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    altered: dict[str, Any] = {
        **mirrors.node("zlob", "6.6.6", needs=[(CURL, "run", "")]),
        "hash": ZLIB["hash"],
    }
    _sync(opened, tmp_path, "bad", [altered, LIAR])
    assert _originals(opened) == _expected(altered, LIAR)
    _sync(opened, tmp_path, "good", [ZLIB, CURL])
    assert _originals(opened) == _expected(ZLIB, LIAR, CURL)
    assert _whole(opened)


def test_what_another_mirror_says_of_a_verified_record_is_not_taken_for_it(
    opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path, "good", [ZLIB, CURL])
    altered = {**CURL, "version": "6.6.6"}
    _sync(opened, tmp_path, "bad", [altered, LIAR])
    assert _originals(opened) == _expected(ZLIB, CURL, LIAR)
    assert _whole(opened)


ALTERED = {
    "a name": "UPDATE name SET text = 'zlab' WHERE text = 'zlib'",
    "an edge": "DELETE FROM edge",
    "a form": "UPDATE record_form SET content = (SELECT content FROM variant_set LIMIT 1)",
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_record_that_can_be_written_out_no_longer_is_found(
    what: str, opened: OpenCatalogue, tmp_path: Path
) -> None:
    _sync(opened, tmp_path, "site", [ZLIB, CURL, mirrors.node("hdf5", needs=[(ZLIB, "link", "")])])
    with opened.catalogue.writing() as connection:
        connection.execute(text(ALTERED[what]))
    assert "originals" in {one.check for one in check(opened.catalogue).findings}
