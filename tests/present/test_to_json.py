"""The JSON shapes of the design, key by key."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cachescope.model.errors import MalformedRecord, QuerySyntaxError, UserInputError
from cachescope.model.identity import PackageName, Ref, SourceName, Stack
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.results import Counts
from cachescope.model.sources import Attempt, AttemptOutcome, SourceOutcome, SyncReport
from cachescope.present import sync_json, to_json
from tests.fakes import DEMO, E4S, FAILED_REASON, GMAKE, NOW, PAGED, SPLICED, ZLIB, filled_catalogue, source

CATALOGUE = filled_catalogue()
SPEC_KEYS = ["hash", "name", "version", "compiler", "os", "platform", "target", "variants", "mirrors"]
COUNT_KEYS = ["present", "mentioned", "unstated"]


def _read(content: bytes) -> Any:
    assert content.endswith(b"\n")
    return json.loads(content)


def test_caches_are_a_list_with_one_item_a_source() -> None:
    read = _read(to_json.render_caches(CATALOGUE.sources()))
    assert list(read[0]) == [
        "name", "url", "layout", "view", "index_version", *COUNT_KEYS, "snapshot_at", "last_attempt",
        "rejected", "warnings",
    ]  # fmt: skip
    assert read[0]["snapshot_at"] == "2026-11-21T00:12:00Z"
    assert [one["name"] for one in read] == [
        "develop/e4s",
        "develop/e4s",
        "develop/ml",
        "develop/root",
        "site/root",
    ]
    assert [one["view"] for one in read] == [None, "science", None, None, None]
    assert read[2]["last_attempt"] == {
        "at": "2026-11-21T00:51:00Z",
        "outcome": "failed",
        "reason": FAILED_REASON,
    }


def test_source_without_facts_has_nulls() -> None:
    pages, never = _read(to_json.render_caches(CATALOGUE.sources()))[3:]
    assert (pages["url"], pages["index_version"], pages["layout"]) == (None, None, "pages")
    assert (never["layout"], never["snapshot_at"]) == (None, None)
    assert never["last_attempt"] == {"at": None, "outcome": "never", "reason": None}


def test_password_of_a_mirror_is_masked() -> None:
    secret = replace(source(E4S), url=MirrorUrl("https://me:swordfish@cache.example/x"))
    assert b"swordfish" not in to_json.render_caches([secret])


def test_search_has_total_and_specs() -> None:
    read = _read(to_json.render_search(CATALOGUE.search("py-demo", ref=None, stack=None, limit=2)))
    assert list(read) == ["query", "total", "specs"]
    assert (read["query"], read["total"], len(read["specs"])) == ("py-demo", 6, 2)
    assert read["specs"][0] == {
        "hash": DEMO[0].hash,
        "name": "py-demo",
        "version": "2.4.3",
        "compiler": "gcc@13.2.0",
        "os": "ubuntu24.04",
        "platform": "linux",
        "target": "x86_64_v3",
        "variants": ["build_system=generic"],
        "mirrors": ["develop/e4s", "develop/root"],
    }


def test_search_without_match_has_suggestions() -> None:
    read = _read(to_json.render_search(CATALOGUE.search("pyx", ref=None, stack=None, limit=2)))
    assert read["specs"] == []
    assert read["suggestions"] == ["py-demo", "py-paged", "python"]


def test_packages_have_counts() -> None:
    found = CATALOGUE.packages(ref=Ref("develop"), stack=Stack("e4s"), limit=1, offset=1)
    read = _read(to_json.render_packages(found))
    assert list(read) == ["ref", "stack", "total", "packages"]
    assert (read["ref"], read["stack"], read["total"]) == ("develop", "e4s", 6)
    assert read["packages"] == [
        {
            "name": "py-demo", "present": 6, "mentioned": 0, "unstated": 0, "versions": 2, "compilers": 1,
            "systems": 2, "targets": 2, "newest_version": "2.4.3",
        }
    ]  # fmt: skip


def test_package_has_groups_with_their_differences() -> None:
    read = _read(to_json.render_package(CATALOGUE.package(PackageName("py-demo"), ref=None, stack=None)))
    assert list(read) == [
        "name", "ref", "stack", *COUNT_KEYS, "versions", "compilers", "systems", "targets", "stacks", "sizes",
        "groups", "query", "matching", "page", "pages", "groups_total", "facets", "history",
    ]  # fmt: skip
    assert read["compilers"] == [{"name": "gcc@13.2.0", "specs": 6}]
    assert read["stacks"][0] == {"name": "develop/e4s", "present": 3, "unstated": 0}
    group = read["groups"][0]
    assert list(group) == [
        "version", "compiler", "os", "platform", "target", "variants",
        "dependencies_known", "explained", "differences", "total", "specs",
    ]  # fmt: skip
    assert group["differences"][1] == {
        "path": ["python", "zlib"],
        "field": "compiler",
        "values": ["gcc@13.2.0", "-", "clang@18"],
    }
    assert [one["hash"] for one in group["specs"]] == [one.hash for one in DEMO]


def test_spec_has_everything() -> None:
    read = _read(to_json.render_spec(CATALOGUE.spec(DEMO[0].hash)))
    assert list(read) == [
        *SPEC_KEYS, "size", "closure", "presence", "namespace", "package_hash", "external", "build_spec", "format",
        "flags", "verification", "places", "dependencies_known", "dependencies", "dependents", "dependents_total",
        "commands", "record",
    ]  # fmt: skip
    assert read["verification"] == {"verdict": "verified", "reason": "recomputed from the record"}
    assert read["places"][0] == {
        "name": "develop/e4s",
        "view": None,
        "layout": "v3",
        "url": "https://cache.example/develop/e4s",
        "presence": "present",
        "since": "2026-11-11T00:12:00Z",
        "until": None,
        "archive": None,
    }
    assert (read["size"], read["closure"]) == (None, None)
    assert read["record"]["hash"] == DEMO[0].hash


def test_dependencies_are_the_depth_first_list() -> None:
    read = _read(to_json.render_spec(CATALOGUE.spec(DEMO[0].hash)))["dependencies"]
    assert list(read[0]) == [*SPEC_KEYS, "size", "deptypes", "virtuals", "depth", "repeated", "needed_at_run"]
    assert [(one["name"], one["depth"], one["deptypes"]) for one in read] == [
        ("gmake", 1, ["build"]),
        ("python", 1, ["build", "run"]),
        ("pkgconf", 2, ["build"]),
        ("zlib", 2, ["link"]),
        ("zlib", 1, ["link"]),
    ]
    assert read[-1]["repeated"] is True
    assert read[-1]["virtuals"] == ["zlib-api"]


def test_dependents_have_their_edge() -> None:
    read = _read(to_json.render_spec(CATALOGUE.spec(ZLIB.hash)))
    assert read["dependents_total"] == 4
    assert list(read["dependents"][0]) == [*SPEC_KEYS, "deptypes", "virtuals"]


def test_unknown_values_are_null() -> None:
    read = _read(to_json.render_spec(CATALOGUE.spec(PAGED[0].hash)))
    assert (read["namespace"], read["package_hash"], read["record"]) == (None, None, None)
    assert read["verification"] == {"verdict": None, "reason": "known from a published page"}
    assert read["compiler"] == "gcc@11.4.0"
    assert read["dependencies_known"] is False
    assert _read(to_json.render_spec(CATALOGUE.spec(GMAKE.hash)))["mirrors"] == []


def test_flags_and_splices_are_told() -> None:
    read = _read(to_json.render_spec(CATALOGUE.spec(SPLICED.hash)))
    assert read["flags"] == {"cflags": ["-O2", "-g"]}
    assert read["build_spec"] == ZLIB.hash
    assert read["verification"]["verdict"] == "mismatch"


def test_refs_have_their_stacks() -> None:
    read = _read(to_json.render_refs(CATALOGUE.refs()))
    assert list(read[0]) == ["ref", "stacks", *COUNT_KEYS, "packages", "stale", "notes"]
    assert read[0]["stacks"] == ["e4s", "ml", "root"]


def test_sync_tells_what_changed_and_what_was_not_read() -> None:
    outcome = SourceOutcome(
        name=SourceName(E4S),
        layout=Layout.V3,
        attempt=Attempt(NOW, AttemptOutcome.UPDATED),
        counts=Counts(3, 1),
        added=2,
        rejected=(MalformedRecord("no name", where="database.installs.abc"),),
    )
    unknown = SourceOutcome(
        name=MirrorUrl("file:///a/page.md"), layout=None, attempt=Attempt(NOW, AttemptOutcome.FAILED, "empty")
    )
    read = _read(sync_json.render_sync(SyncReport((outcome, unknown), hints=("sync again",))))
    assert [(one["name"], one["view"]) for one in read["sources"]] == [
        ("develop/e4s", None),
        ("file:///a/page.md", None),
    ]
    assert read["hints"] == ["sync again"]
    assert read["sources"][0]["attempt"]["outcome"] == "updated"
    assert (read["sources"][0]["added"], read["sources"][0]["gone"]) == (2, 0)
    assert read["sources"][0]["rejected"][0]["where"] == "database.installs.abc"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            UserInputError("no", where="there", hint="do"),
            {"code": "bad_input", "message": "no", "where": "there", "hint": "do"},
        ),
        (
            QuerySyntaxError("bad", query="a@@", start=1, end=3),
            {"code": "bad_query", "message": "bad", "where": "a@@", "hint": "", "start": 1, "end": 3},
        ),
    ],
)
def test_error_has_one_shape(error: UserInputError, expected: dict[str, object]) -> None:
    assert _read(to_json.render_error(error)) == {"error": expected}


def test_text_stays_as_it_is_and_half_characters_are_escaped() -> None:
    content = to_json.render_error(UserInputError("ünï \ud800"))
    assert "ünï".encode() in content
    assert _read(content)["error"]["message"] == "ünï \ud800"


@pytest.mark.parametrize(
    "unseen", ["\x1b[31m", "\x7f", "\x9b31m", "\u202ex", "\u200b", "\u2028", "\u2067", "\ufeff"]
)
def test_json_holds_what_drives_or_turns_a_terminal_by_its_escape_alone(unseen: str) -> None:
    for content in (
        to_json.document({unseen: [f"Größe {unseen}"]}),
        to_json.render_error_line(unseen, UserInputError("no")),
    ):
        assert unseen.encode() not in content
        assert all(one.isprintable() for one in content.decode().replace("\n", ""))
    assert json.loads(to_json.document({unseen: f"Größe {unseen}"})) == {unseen: f"Größe {unseen}"}
    assert "Größe" in to_json.document([f"Größe {unseen}"]).decode()
