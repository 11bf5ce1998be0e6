"""Manifests of layout v3, signed and unsigned, and the envelope around signed ones."""

import json
from typing import Any

import pytest

from cachescope.formats.manifest_json import decode_manifest, index_blob
from cachescope.formats.signature import unwrap
from cachescope.model.errors import MalformedDocument, UnsupportedVersion
from cachescope.model.identity import Digest
from cachescope.model.manifest import BlobRef, Manifest
from tests.formats.samples import V3, shared

SPEC_MANIFESTS = sorted((V3 / "v3/manifests/spec").rglob("*.spec.manifest.json"))
INDEX_MANIFESTS = sorted((V3 / "v3/manifests/index").rglob("index.manifest.json"))
BEGIN, SIGNATURE = "-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----"


def blob(version: int | str = 8, **keys: Any) -> dict[str, Any]:
    return {
        "contentLength": 10,
        "mediaType": f"application/vnd.spack.db.v{version}+json",
        "compression": "none",
        "checksumAlgorithm": "sha256",
        "checksum": "a" * 64,
        **keys,
    }


def manifest(*blobs: dict[str, Any], **keys: Any) -> Manifest:
    return decode_manifest(json.dumps({"version": 3, "data": blobs, **keys}).encode(), kind="index manifest")


def test_signed_spec_manifests_of_the_bundled_cache_name_archive_and_spec() -> None:
    assert len(SPEC_MANIFESTS) == 90
    for path in SPEC_MANIFESTS:
        found = decode_manifest(path.read_bytes(), kind="spec manifest")
        assert found.signed
        assert [one.media_type for one in found.blobs] == [
            "application/vnd.spack.install.v2.tar+gzip",
            "application/vnd.spack.spec.v5+json",
        ]
        spec = found.blobs[1]
        stored = V3 / "blobs" / "sha256" / spec.digest.hexadecimal[:2] / spec.digest.hexadecimal
        assert stored.stat().st_size == spec.size


def test_unsigned_index_manifests_of_the_bundled_cache_name_one_index() -> None:
    sizes = {}
    for path in INDEX_MANIFESTS:
        found = decode_manifest(memoryview(path.read_bytes()), kind="index manifest")
        assert not found.signed
        sizes[path.parent.name] = index_blob(found, newest=8).size
    assert sizes == {"index": 111_570, "pystack": 12_288, "science": 17_715}


def test_manifest_keeps_all_fields_of_its_blobs() -> None:
    assert manifest(blob(compression="zstd", more=1), more=2) == Manifest(
        version=3,
        blobs=(
            BlobRef(
                media_type="application/vnd.spack.db.v8+json",
                digest=Digest("sha256", "a" * 64),
                size=10,
                compression="zstd",
            ),
        ),
        signed=False,
    )


def test_signed_index_manifest_is_read_too() -> None:
    text = json.dumps({"version": 3, "data": [blob()]}, separators=(",\n", ":\n"))
    envelope = f"{BEGIN}\nHash: SHA512\n\n{text}\n{SIGNATURE}\n\nabc=\n-----END PGP SIGNATURE-----\n"
    found = decode_manifest(envelope.encode(), kind="index manifest")
    assert found == Manifest(version=3, blobs=manifest(blob()).blobs, signed=True)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((BEGIN, "Hash: SHA512", "", "{}", SIGNATURE, "x"), "{}"),
        ((BEGIN, "Hash: SHA256", "Hash: SHA512", "Charset: x", "", "{", "}", SIGNATURE), "{\n}"),
        ((BEGIN, "", "{}", SIGNATURE), "{}"),
        (
            (BEGIN, "", "a", "- - b", "- -----BEGIN PGP SIGNATURE-----", "-c", SIGNATURE),
            f"a\n- b\n{SIGNATURE}\n-c",
        ),
        ((BEGIN, "", "a", "", "b", SIGNATURE), "a\n\nb"),
    ],
    ids=["one header", "several headers", "no header", "dash-escaped lines", "empty line in the text"],
)
@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
def test_envelope_is_taken_off(lines: tuple[str, ...], text: str, end_of_line: str) -> None:
    assert unwrap(end_of_line.join(lines).encode()) == (text.encode(), True)


def test_text_without_envelope_is_left_alone() -> None:
    for text in (b'{"version":3}', b"", b"\n" + BEGIN.encode(), b"- dash\r\n"):
        assert unwrap(text) == (text, False)


@pytest.mark.parametrize(
    "envelope",
    [
        BEGIN,
        f"{BEGIN}\n",
        f"{BEGIN}\nHash: SHA512\n{{}}\n{SIGNATURE}\n",
        f"{BEGIN}\nHash: SHA512\n\n{{}}\n",
        f"{BEGIN}\n\n{{}}\n{SIGNATURE[:-1]}",
        f"{SIGNATURE}\n\n{{}}".replace(SIGNATURE, BEGIN),
    ],
)
def test_incomplete_envelope_is_malformed(envelope: str) -> None:
    with pytest.raises(MalformedDocument, match="no complete OpenPGP envelope") as caught:
        decode_manifest(envelope.encode(), kind="spec manifest")
    assert "truncated" in caught.value.hint


def test_real_signed_manifest_cut_before_its_signature_is_malformed() -> None:
    data = SPEC_MANIFESTS[0].read_bytes()
    for end in range(40, data.index(SIGNATURE.encode()), 13):
        with pytest.raises(MalformedDocument):
            decode_manifest(data[:end], kind="spec manifest")


@pytest.mark.parametrize("rest", [{"data": []}, {"blobs": {}}, {}, {"data": "elsewhere"}])
@pytest.mark.parametrize("version", [4, 2, 0, -1, 2**80])
def test_manifest_of_another_version_is_refused_by_name(version: int, rest: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedVersion, match=rf"the key manifest has version {version}; .* reads 3"):
        decode_manifest(json.dumps({"version": version, **rest}).encode(), kind="key manifest")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", r"the index manifest is empty \(0 bytes\)"),
        (b"<html>404</html>", "a web page"),
        (b'{"version":3,"data":[', "ends in the middle"),
        (b'{"version":"3","data":[]}', "at version: expected `int`, got `str`"),
        (b'{"version":3}', "missing required field `data`"),
        (b'{"version":3,"data":{}}', "at data: expected `array`"),
        (b'{"version":3,"data":[{}]}', r"at data\[0\]: object missing required field `contentLength`"),
        (b'{"version":3,"data":"\xff"}', "malformed"),
        (b'{"version":3,"data":[],"x":' + b"[" * 200_000, "nested too deeply"),
        (b'{"version":' + b"3" * 5000 + b"}", "out of range"),
        (b"[]", "expected `object`, got `array`"),
    ],
)
def test_what_is_no_manifest_is_malformed(document: bytes, problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem):
        decode_manifest(document, kind="index manifest")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"checksum": "../../../../etc/passwd"}, "'../../../../etc/passwd' is not a sha256 checksum"),
        ({"checksum": "../" + "a" * 61}, "is not a sha256 checksum"),
        ({"checksum": "A" * 64}, "is not a sha256 checksum"),
        ({"checksum": "a" * 63}, "is not a sha256 checksum"),
        ({"checksum": "a" * 64 + "\n"}, "is not a sha256 checksum"),
        ({"checksum": ""}, "is not a sha256 checksum"),
        ({"checksumAlgorithm": "md5", "checksum": "a" * 32}, "unknown checksum algorithm 'md5'"),
        ({"checksumAlgorithm": "../sha256"}, "unknown checksum algorithm"),
        ({"contentLength": -1}, "gives a blob the size -1"),
        ({"contentLength": "10"}, r"at data\[0\].contentLength: expected `int`"),
        ({"checksum": None}, r"at data\[0\].checksum: expected `str`"),
    ],
)
def test_blob_that_is_named_by_no_checksum_or_size_is_malformed(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(MalformedDocument, match=problem):
        manifest(blob(**keys))


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha512", 128), ("sha1", 40)])
def test_known_checksum_algorithms_are_read(algorithm: str, length: int) -> None:
    (found,) = manifest(blob(checksumAlgorithm=algorithm, checksum="0" * length)).blobs
    assert str(found.digest) == f"{algorithm}:{'0' * length}"


@pytest.mark.parametrize(
    ("versions", "chosen"), [([8], 0), ([7, 8], 1), ([8, 7], 0), ([9, 8], 1), ([10, 6, 9], 1), ([8, 8], 0)]
)
def test_index_of_the_highest_readable_version_is_chosen(versions: list[int], chosen: int) -> None:
    blobs = [blob(version, contentLength=position) for position, version in enumerate(versions)]
    assert index_blob(manifest(*blobs), newest=8).size == chosen


def test_index_that_is_newer_alone_is_unsupported() -> None:
    with pytest.raises(UnsupportedVersion, match="the index has version 9; this cachescope reads up to 8"):
        index_blob(manifest(blob(10), blob(9)), newest=8)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/pgp-keys",
        "application/vnd.spack.spec.v5+json",
        "application/vnd.spack.db.v8+json.gz",
        "application/vnd.spack.db.vX+json",
        "application/vnd.spack.db.v" + "9" * 5000 + "+json",
    ],
)
def test_manifest_without_an_index_is_malformed(media_type: str) -> None:
    for found in (manifest(), manifest(blob(mediaType=media_type))):
        with pytest.raises(MalformedDocument, match="names no index"):
            index_blob(found, newest=8)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("damage", "path", "problem"),
    [
        ("non-json-index-manifest", "index/index.manifest.json", "a web page"),
        ("path-traversal-index", "index/index.manifest.json", "is not a sha256 checksum"),
        ("path-traversal-checksum-signed", "spec/cr-plugin/*pet3k574*.json", "is not a sha256 checksum"),
        ("unknown-layout-version", "spec/cr-plugin/*pet3k574*.json", "has version 4"),
    ],
)
def test_damaged_manifests_are_malformed(damage: str, path: str, problem: str) -> None:
    (document,) = (shared(f"caches/damaged/{damage}") / "v3" / "manifests").glob(path)
    with pytest.raises(MalformedDocument, match=problem):
        decode_manifest(document.read_bytes(), kind="manifest")
