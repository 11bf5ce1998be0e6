"""Index documents that are written: of records as they stood, or turned into the shape of another version."""

import json
from typing import Any

import pytest

from cachescope.formats.index_json import open_index
from cachescope.formats.index_writing import (
    index_end,
    index_record,
    index_start,
    manifest_text,
    stored_blob,
)
from cachescope.formats.manifest_json import decode_manifest
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import Digest
from tests import mirrors

NEW = mirrors.node("new")
DEPENDENT = mirrors.node("dependent", needs=[(NEW, "build,link", "")])
V4: dict[str, Any] = {
    "name": "old",
    "version": "1",
    "arch": {"platform": "linux", "platform_os": "debian12", "target": "x86_64"},
    "compiler": {"name": "gcc", "version": "12.2.0"},
    "parameters": {"cflags": []},
    "dependencies": [
        {"name": "new", "hash": NEW["hash"], "parameters": {"deptypes": ["link"], "virtuals": []}}
    ],
    "hash": "o" * 32,
}
ANNOTATED = {
    **{key: value for key, value in V4.items() if key not in {"compiler", "hash"}},
    "annotations": {"original_specfile_version": 4, "compiler": "gcc@=12.2.0"},
    "hash": "o" * 32,
}
V3 = {**V4, "dependencies": [{"name": "new", "hash": NEW["hash"], "type": ["link"]}]}


def _turned(node: dict[str, Any], version: int) -> Any:
    text = json.dumps(node, separators=(",", ":")).encode()
    record = index_record(node["hash"], text, version=version, ref_count=0, in_buildcache=True, first=True)
    return json.loads(b"{" + record + b"}")[node["hash"]]["spec"]


def test_records_stand_as_they_stood() -> None:
    text = json.dumps(DEPENDENT, separators=(",", ":")).encode()
    record = index_record(DEPENDENT["hash"], text, version=8, ref_count=3, in_buildcache=False, first=False)
    wanted = b',"%s":{"spec":%s,"ref_count":3,"in_buildcache":false}' % (DEPENDENT["hash"].encode(), text)
    assert record == wanted


def test_what_is_written_is_read_as_an_index() -> None:
    pieces = [
        index_record(
            one["hash"],
            json.dumps(one).encode(),
            version=8,
            ref_count=0,
            in_buildcache=one is NEW,
            first=place == 0,
        )
        for place, one in enumerate((NEW, DEPENDENT))
    ]
    document = index_start("8") + b"".join(pieces) + index_end()
    found = open_index(memoryview(document))
    assert {key: presence.word for key, presence in found.presence.items()} == {
        NEW["hash"]: "present",
        DEPENDENT["hash"]: "mentioned",
    }
    assert not found.rejected
    assert not open_index(memoryview(index_start("7") + index_end())).presence


@pytest.mark.parametrize(
    ("node", "version", "wanted"),
    [
        (V4, 7, V4),
        (V4, 8, ANNOTATED),
        (ANNOTATED, 7, V4),
        (ANNOTATED, 8, ANNOTATED),
        (V4, 6, V3),
        (V3, 7, V4),
        (V3, 8, ANNOTATED),
    ],
)
def test_records_are_turned_as_spack_turns_them(node: dict[str, Any], version: int, wanted: object) -> None:
    found = _turned(node, version)
    assert found == wanted
    assert list(found)[-1] == "hash"


def test_a_spec_of_spack_1_is_in_no_older_index() -> None:
    with pytest.raises(MalformedRecord, match=r"was written by Spack 1.0 or newer"):
        _turned(NEW, 7)


def test_manifests_are_those_that_spack_writes() -> None:
    blob = stored_blob(Digest("sha256", "ab" * 32), 7, media_type="application/vnd.spack.db.v8+json")
    text = manifest_text(blob)
    assert decode_manifest(text, kind="index manifest").blobs == (blob,)
    assert text.startswith(b'{\n"version":3,\n"data":[\n{\n"contentLength":7,\n')
