"""The directory that a public bucket publishes of its own indexes."""

import json
from typing import Any

import pytest

from cachescope.formats.bucket_index_json import decode_bucket_index
from cachescope.model.errors import MalformedDocument
from cachescope.model.identity import parse_mirror_name

PUBLIC = {"s3://spack-binaries/": "https://binaries.spack.io/"}
BLOB = "blobs/sha256/ab/ab" + "0" * 62


def read(document: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    found = decode_bucket_index(json.dumps(document).encode(), public_addresses=PUBLIC)
    return {str(name): url for name, url in found.mirrors.items()}, found.skipped


def entry(label: str, url: str) -> dict[str, str]:
    return {"label": label, "url": url}


@pytest.mark.parametrize(
    ("url", "mirror"),
    [
        (f"s3://spack-binaries/develop/e4s/{BLOB}", "https://binaries.spack.io/develop/e4s"),
        (f"s3://spack-binaries/{BLOB}", "https://binaries.spack.io"),
        (
            "s3://spack-binaries/develop/e4s/v3/manifests/index/index.manifest.json",
            "https://binaries.spack.io/develop/e4s",
        ),
        ("https://other.org/m/build_cache/index.json", "https://other.org/m"),
    ],
)
def test_entry_leads_to_the_public_address_of_its_mirror(url: str, mirror: str) -> None:
    assert read({"develop": [entry("e4s", url)]}) == ({"develop/e4s": mirror}, ())


def test_mirrors_keep_the_order_of_the_document_and_root_is_a_stack() -> None:
    document = {
        "v1.0.2": [entry("root", f"s3://spack-binaries/v1.0.2/{BLOB}")],
        "develop": [entry("ml", f"s3://spack-binaries/develop/ml/{BLOB}")],
        "develop-2025-07-13": [],
    }
    mirrors, skipped = read(document)
    assert list(mirrors) == ["v1.0.2/root", "develop/ml"]
    assert skipped == ()
    assert str(parse_mirror_name("v1.0.2")) in mirrors


@pytest.mark.parametrize(
    ("ref", "label", "url", "reason"),
    [
        ("develop", "e4s", "s3://spack-binaries/develop/e4s", "that of no index"),
        ("develop", "e4s", f"s3://spack-binaries-prs/pr1/{BLOB}", "no public address is known"),
        ("develop", "", f"s3://spack-binaries/develop/{BLOB}", "without a stack"),
        ("develop", "v3", f"s3://spack-binaries/develop/v3/{BLOB}", "mirrors use it for folders"),
        ("develop", "../x", f"s3://spack-binaries/develop/{BLOB}", "not a name of a stack"),
        ("develop", "e4s@view", f"s3://spack-binaries/develop/{BLOB}", "names a view"),
        ("../..", "e4s", f"s3://spack-binaries/develop/{BLOB}", "not a name of a"),
    ],
)
def test_entry_that_cannot_be_used_is_left_out_with_a_reason(
    ref: str, label: str, url: str, reason: str
) -> None:
    good = entry("ml", f"s3://spack-binaries/develop/ml/{BLOB}")
    mirrors, skipped = read({ref: [entry(label, url)], "develop-2025-07-13": [good]})
    assert list(mirrors) == ["develop-2025-07-13/ml"]
    (sentence,) = skipped
    assert sentence.startswith(f"{ref}/{label}: ")
    assert reason in sentence


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "is empty"),
        (b"<html>", "a web page"),
        (b"[]", "expected `object`, got `array`"),
        (b'{"develop": {}}', "expected `array`, got `object`"),
        (b'{"develop": [{"label": "e4s"}]}', "missing required field `url`"),
        (b'{"develop": [', "ends in the middle"),
        (b'{"develop": [], "x": ' + b"[" * 200_000, "malformed"),
    ],
)
def test_what_is_no_directory_is_malformed(document: bytes, problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem):
        decode_bucket_index(document, public_addresses=PUBLIC)
