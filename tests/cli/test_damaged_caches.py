"""Copies of a real cache with one damage each: which of them concern an index, and which only what a sync does not read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import mirrors
from tests.catalogues import V3
from tests.commands import CommandLine

MALFORMED = 5

DAMAGED: dict[str, tuple[int, str]] = {
    "deep-index": (MALFORMED, "the index is malformed"),
    "non-json-index": (MALFORMED, "the index is a web page (HTML), not JSON"),
    "non-json-index-manifest": (MALFORMED, "the index manifest is a web page (HTML), not JSON"),
    "path-traversal-index": (MALFORMED, "something that is no checksum"),
    "truncated-index": (MALFORMED, "has 55785 bytes where 111570 are stated"),
    # What a sync does not read: manifests, keys and blobs of single specs.
    "flipped-byte": (0, ""),
    "index-lists-phantom": (0, ""),
    "missing-blob": (0, ""),
    "missing-key": (0, ""),
    "path-traversal-checksum-signed": (0, ""),
    "spec-hash-mismatch-signed": (0, ""),
    "tampered-signed": (0, ""),
    "unknown-layout-version": (0, ""),
    "unsigned-among-signed": (0, ""),
}


@pytest.mark.shared
def test_the_table_names_every_damaged_cache(shared: Path) -> None:
    assert DAMAGED.keys() == json.loads((shared / "caches" / "damaged" / "damage.json").read_bytes()).keys()


@pytest.mark.shared
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_cache_fails_or_reads_as_its_damage_says(name: str, shared: Path, run: CommandLine) -> None:
    run.well("sync", V3, "--as", "site")
    former = run.well("search", "*", "--json", "--limit", "0").json
    _sync_and_check(run, shared / "caches" / "damaged" / name, *DAMAGED[name], former=former)


def _altered(place: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def alter(folder: Path) -> None:
        mirrors.write(folder, place, change((folder / place).read_bytes()))

    return alter


def _index_blob(folder: Path) -> Path:
    (blob,) = json.loads((folder / mirrors.manifest_place()).read_bytes())["data"]
    checksum: str = blob["checksum"]
    return folder / "blobs" / "sha256" / checksum[:2] / checksum


def _half_an_index(folder: Path) -> None:
    blob = _index_blob(folder)
    blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])


def _no_index_blob(folder: Path) -> None:
    _index_blob(folder).unlink()


def _no_spec_manifests(folder: Path) -> None:
    shutil.rmtree(folder / "v3" / "manifests" / "spec")


def _no_keys(folder: Path) -> None:
    shutil.rmtree(folder / "v3" / "manifests" / "key")


HERE: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "deep-index": (
        lambda folder: mirrors.write_v3(folder, b'{"database":{"version":"8","installs":' + b"[" * 200_000),
        *(MALFORMED, "the index is malformed"),
    ),
    "non-json-index": (
        lambda folder: mirrors.write_v3(folder, b"<html>login</html>"),
        *(MALFORMED, "the index is a web page (HTML), not JSON"),
    ),
    "non-json-index-manifest": (
        _altered(mirrors.manifest_place(), lambda _: b"<html>login</html>"),
        *(MALFORMED, "the index manifest is a web page (HTML), not JSON"),
    ),
    "path-traversal-index": (
        _altered(
            mirrors.manifest_place(), lambda _: mirrors.manifest(b"", checksum="../" * 8 + "etc/passwd")
        ),
        *(MALFORMED, "something that is no checksum"),
    ),
    "truncated-index": (_half_an_index, *(MALFORMED, "has 55785 bytes where 111570 are stated")),
    "missing-index-blob": (_no_index_blob, *(MALFORMED, "names a blob that is not there")),
    "missing-spec-manifests": (_no_spec_manifests, 0, ""),
    "missing-key": (_no_keys, 0, ""),
}


@pytest.mark.parametrize("name", HERE)
def test_a_sample_that_is_damaged_here_fails_or_reads_as_its_damage_says(
    name: str, run: CommandLine, tmp_path: Path
) -> None:
    damage, code, message = HERE[name]
    run.well("sync", V3, "--as", "site")
    former = run.well("search", "*", "--json", "--limit", "0").json
    shutil.copytree(V3, tmp_path / "damaged")
    damage(tmp_path / "damaged")
    _sync_and_check(run, tmp_path / "damaged", code, message, former=former)


def _sync_and_check(run: CommandLine, folder: Path, code: int, message: str, *, former: object) -> None:
    ended = run("sync", folder, "--as", "site")
    assert ended.code == code, ended
    assert message in ended.text
    assert run.well("search", "*", "--json", "--limit", "0").json == former
    (source,) = run.well("caches", "--json").json
    assert (source["last_attempt"]["outcome"] == "failed") == bool(code)
