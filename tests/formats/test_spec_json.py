"""Spec documents of layout v2: the real ones of the sample, and what must be refused."""

import json
from typing import Any

import pytest

from cachescope.formats.spec_json import decode_spec_document
from cachescope.model.errors import MalformedDocument
from cachescope.model.identity import DagHash, Digest
from tests.formats.samples import V2

HASH = DagHash("6frd47xqkh3bqj45oga53vl7jx34554r")
CHECKSUM = {"hash_algorithm": "sha256", "hash": "ab" * 32}


def _document(**changes: Any) -> bytes:
    whole = {
        "spec": {"_meta": {"version": 4}, "nodes": [{"name": "zlib", "hash": HASH}, {"name": "gcc"}]},
        "buildcache_layout_version": 2,
        "binary_cache_checksum": CHECKSUM,
    }
    return json.dumps(whole | changes).encode()


def test_every_signed_document_of_the_sample_states_its_archive() -> None:
    files = sorted((V2 / "build_cache").glob("*.spec.json.sig"))
    assert len(files) == 77
    for file in files:
        expected = DagHash(file.name.removesuffix(".spec.json.sig")[-32:])
        found = decode_spec_document(file.read_bytes(), expected=expected)
        assert found.signed
        assert found.digest.algorithm == "sha256"


def test_document_without_an_envelope_is_unsigned() -> None:
    found = decode_spec_document(_document(), expected=HASH)
    assert (found.signed, found.digest) == (False, Digest("sha256", "ab" * 32))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "is empty"),
        (b"<html>", "web page"),
        (b"[]", "malformed"),
        (_document()[:-3], "ends in the middle"),
        (_document(spec={"nodes": []}), "another spec"),
        (_document(spec={"nodes": [{"hash": "a" * 32}]}), "another spec"),
        (_document(binary_cache_checksum=None), "no checksum"),
        (_document(binary_cache_checksum={"hash_algorithm": "sha256", "hash": "../.."}), "checksum"),
        (_document(binary_cache_checksum={"hash_algorithm": "md4", "hash": "ab"}), "md4"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{}", "envelope"),
    ],
)
def test_what_is_no_spec_document_is_refused(document: bytes, problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem):
        decode_spec_document(document, expected=HASH)
