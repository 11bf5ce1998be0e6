"""``add``, ``remove``, ``caches`` and ``sync``: which mirrors the catalogue knows, and how they are named."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import mirrors
from tests.catalogues import SEED_PAGE, V2, V3
from tests.commands import CommandLine
from tests.servers import Answer, MirrorServer

BAD, UNKNOWN, UNAVAILABLE, MALFORMED = 2, 3, 4, 5
ZLIB = mirrors.node("zlib", "1.3.1")
INDEX = mirrors.index(mirrors.installs([ZLIB]))
SOURCE_KEYS = [
    *("name", "url", "layout", "view", "index_version", "present", "mentioned", "unstated"),
    *("snapshot_at", "last_attempt", "rejected", "warnings"),
]


def test_a_mirror_that_was_added_is_listed_as_never_read(run: CommandLine) -> None:
    added = run.well("add", "develop/e4s", V3)
    assert added.text == "added develop/e4s; read it with: cachescope sync develop/e4s\n"
    (source,) = run.well("caches", "--json").json
    assert source["last_attempt"] == {"at": None, "outcome": "never", "reason": None}
    assert (source["name"], source["url"], source["layout"]) == ("develop/e4s", f"file://{V3}", None)
    assert "not read yet: cachescope sync develop/e4s" in run.well("caches").text


def test_caches_as_json_has_the_fields_of_a_source(run: CommandLine) -> None:
    run.well("sync", V3, "--as", "site")
    run.well("sync", "site@science")
    run.well("sync", V2, "--as", "old")
    found = run.well("caches", "--json").json
    assert [list(one) for one in found] == [SOURCE_KEYS] * 3
    assert [(one["name"], one["layout"], one["view"], one["index_version"]) for one in found] == [
        ("old/root", "v2", None, 7),
        ("site/root", "v3", None, 8),
        ("site/root", "v3", "science", 8),
    ]
    assert [(one["present"], one["mentioned"]) for one in found] == [(77, 25), (90, 17), (13, 5)]
    assert all(one["snapshot_at"].endswith("Z") for one in found)
    assert all(one["last_attempt"]["outcome"] == "updated" for one in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add"], "a name is missing"),
        (["add", "site"], "the address is missing"),
        (["add", "site@science"], "site/root has no address yet"),
        (["add", "v3", "/mirror"], "cannot name a ref"),
        (["add", "a/b/c", "/mirror"], "is not a name of a stack"),
        (["add", "site", "s3://bucket/mirror"], "s3:// are not read yet"),
        (["add", "site", "https://host/mirror?token=1"], "cannot hold '?'"),
        (["add", "site", "--discover", "/index.json"], "--discover takes the names from the document"),
        (["add", "site", "/mirrors/\udcff"], "/mirrors/\\xdcff: the address is not valid UTF-8"),
        (["sync", "/mirrors/\udcff"], "the address is not valid UTF-8"),
        (["sync", "a" * 300], "is not a name of a ref"),
        (["sync"], "no mirror is registered yet"),
        (["sync", "a", "b", "--as", "c"], "--as names one mirror"),
        (["sync", "site", "--as", "other"], "--as goes with an address"),
        (["remove", "site@science"], "names a view where a mirror is wanted"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else "",
)
def test_a_request_that_makes_no_sense_is_told_with_2(
    arguments: list[str], message: str, run: CommandLine
) -> None:
    refused = run(*arguments)
    assert refused.code == BAD
    assert message in refused.err
    assert refused.out == b""
    assert run.well("caches", "--json").json == []


@pytest.mark.parametrize("command", ["sync", "remove"])
def test_a_mirror_that_is_not_registered_is_unknown(command: str, run: CommandLine) -> None:
    refused = run(command, "nowhere/root")
    assert refused.code == UNKNOWN
    assert "there is no mirror nowhere/root" in refused.err + refused.text


def test_a_name_that_is_taken_is_not_given_to_another_address(run: CommandLine) -> None:
    run.well("add", "site", V3)
    assert "known already" in run.well("add", "site", V3).text
    refused = run("add", "site", V2)
    assert refused.code == BAD
    assert "cachescope remove site/root" in refused.err


def test_a_mirror_that_is_removed_is_forgotten(run: CommandLine) -> None:
    run.well("sync", V3, "--as", "site")
    run.well("sync", V2, "--as", "old")
    assert run.well("remove", "site", "old").text == "removed site/root\nremoved old/root\n"
    assert run.well("caches", "--json").json == []
    assert run("search", "*").code == 1
    assert run("package", "cr-zlib").code == UNKNOWN


def test_of_several_names_to_remove_an_unknown_one_removes_none(run: CommandLine) -> None:
    run.well("add", "site", V3)
    assert run("remove", "site", "unknown").code == UNKNOWN
    assert len(run.well("caches", "--json").json) == 1


def test_a_view_is_added_to_a_mirror_and_read_with_it(run: CommandLine) -> None:
    run.well("add", "site", V3)
    run.well("add", "site@science")
    run.well("sync", "site")
    assert [one["view"] for one in run.well("caches", "--json").json] == [None, "science"]


def test_an_address_without_a_name_takes_its_last_parts(
    run: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mirrors.write_v3(tmp_path / "site", INDEX)
    mirrors.write_v3(tmp_path / "develop" / "e4s", INDEX)
    run.well("sync", "./site")
    run.well("sync", tmp_path / "develop" / "e4s")
    assert [one["name"] for one in run.well("caches", "--json").json] == ["develop/e4s", "site/root"]


def test_views_that_are_not_read_are_named(run: CommandLine) -> None:
    read = run.well("sync", V3, "--as", "site")
    assert "site/root has views too (pystack, science)" in read.text
    assert "cachescope sync site/root@pystack" in read.text


def test_sync_without_names_reads_all_mirrors_and_pages_again(run: CommandLine) -> None:
    run.well("sync", V3, "--as", "site")
    run.well("sync", SEED_PAGE)
    report = run.well("sync", "--json").json
    asked = {(one["name"], one["layout"]) for one in report["sources"]}
    assert {("site/root", "v3"), ("develop/root", "pages"), ("develop/e4s", "pages")} <= asked
    assert {one["attempt"]["outcome"] for one in report["sources"]} == {"unchanged"}


def test_sync_says_what_it_did_in_one_line_a_source(run: CommandLine) -> None:
    first = run.well("sync", V2, "--as", "old")
    assert first.text == "old/root: updated: 77 specs present, 25 mentioned (102 new)\n"
    assert first.err == ""
    assert run.well("sync", "old").text == "old/root: unchanged: 77 specs present, 25 mentioned\n"


def test_sync_as_json_says_what_changed(run: CommandLine) -> None:
    (outcome,) = run.well("sync", V2, "--as", "old", "--json").json["sources"]
    assert (outcome["added"], outcome["gone"], outcome["changed"]) == (102, 0, 0)
    assert outcome["attempt"]["outcome"] == "updated"


def test_a_folder_of_pages_needs_no_name(run: CommandLine) -> None:
    run.well("sync", SEED_PAGE.parent)
    assert {one["layout"] for one in run.well("caches", "--json").json} == {"pages"}


# -- add --discover ---------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MirrorServer]:
    """A bucket with four mirrors, and an index of it with entries that cannot be taken."""
    refs: dict[str, list[dict[str, str]]] = {"develop": [], "v1.0": []}
    for ref, label, place in (
        ("develop", "e4s", "develop/e4s"),
        ("develop", "ml", "develop/ml"),
        ("develop", "root", "develop"),
        ("v1.0", "root", "v1.0"),
    ):
        blob = mirrors.write_v3(tmp_path / place, INDEX)
        refs[ref].append({"label": label, "url": f"s3://spack-binaries/{blob.relative_to(tmp_path)}"})
    refs["develop"].append({"label": "private", "url": "s3://other-bucket/x/blobs/sha256/ab/abc"})
    refs["develop"].append({"label": "odd", "url": "s3://spack-binaries/develop/odd/readme.txt"})
    (tmp_path / "cache_spack_io_index.json").write_text(json.dumps(refs))
    with MirrorServer(folder=tmp_path) as running:
        monkeypatch.setenv("CACHESCOPE_PUBLIC_ADDRESSES", f"s3://spack-binaries/={running.url}/")
        yield running


def test_discover_registers_the_mirrors_of_a_bucket_at_their_site_address(
    run: CommandLine, bucket: MirrorServer
) -> None:
    found = run.well("add", "--discover", f"{bucket.url}/cache_spack_io_index.json")
    assert "4 mirrors added, 0 known already, 2 left out" in found.text
    assert "left out develop/private" in found.text
    assert "no public address is known for this bucket" in found.text
    assert "left out develop/odd" in found.text
    urls = {one["name"]: one["url"] for one in run.well("caches", "--json").json}
    assert urls == {
        "develop/e4s": f"{bucket.url}/develop/e4s",
        "develop/ml": f"{bucket.url}/develop/ml",
        "develop/root": f"{bucket.url}/develop",
        "v1.0/root": f"{bucket.url}/v1.0",
    }
    run.well("sync")
    assert {one["present"] for one in run.well("caches", "--json").json} == {1}
    again = run.well("add", "--discover", f"{bucket.url}/cache_spack_io_index.json")
    assert "0 mirrors added, 4 known already, 2 left out" in again.text


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--ref", "develop"], ["develop/e4s", "develop/ml", "develop/root"]),
        (["--stack", "root"], ["develop/root", "v1.0/root"]),
        (["--ref", "v*"], ["v1.0/root"]),
        (["--ref", "develop", "--stack", "?*l"], ["develop/ml"]),
    ],
)
def test_discover_takes_the_wanted_refs_and_stacks(
    options: list[str], names: list[str], run: CommandLine, bucket: MirrorServer
) -> None:
    run.well("add", "--discover", f"{bucket.url}/cache_spack_io_index.json", *options)
    assert [one["name"] for one in run.well("caches", "--json").json] == names


def test_discover_reads_a_file_as_well(run: CommandLine, bucket: MirrorServer) -> None:
    assert bucket.folder is not None
    run.well("add", "--discover", bucket.folder / "cache_spack_io_index.json")
    assert len(run.well("caches", "--json").json) == 4


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (Answer(status=404), UNAVAILABLE, "there is no such document"),
        (Answer(b"<html>"), MALFORMED, "is a web page (HTML), not JSON"),
        (Answer(b'{"develop": [{"label": 7}]}'), MALFORMED, "is malformed"),
        (Answer(b"{}"), UNKNOWN, "the bucket lists no mirrors"),
        (
            Answer(b'{"v1.0": [{"label": "root", "url": "http://h/blobs/sha256/a/a"}]}'),
            UNKNOWN,
            "no such ref and stack",
        ),
    ],
)
def test_a_bucket_that_cannot_be_discovered_is_told(
    body: Answer, code: int, message: str, run: CommandLine, bucket: MirrorServer
) -> None:
    bucket.routes["/other.json"] = body
    refused = run("add", "--discover", f"{bucket.url}/other.json", "--ref", "develop")
    assert refused.code == code
    assert message in refused.err
    assert f"{bucket.url}/other.json" in refused.err
    assert run.well("caches", "--json").json == []
