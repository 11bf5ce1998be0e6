"""Bodies: unpacking of stored documents, and digests."""

import gzip
import hashlib
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cachescope.model.errors import MalformedDocument, UserInputError
from cachescope.transport.body import BodyWriter, HeldBody, decompressed, digest_of

LARGE = random.Random(2).randbytes(3_000_000)  # noqa: S311 - bytes that do not compress
LIMIT = 4_000_000


@pytest.mark.parametrize(
    "content", [b"", b"{}", LARGE, bytes(LIMIT)], ids=["empty", "small", "large", "dense"]
)
def test_gzip_document_is_unpacked(content: bytes, tmp_path: Path) -> None:
    stored = HeldBody(gzip.compress(content))

    with decompressed(stored, "gzip", LIMIT, temporary_folder=tmp_path) as unpacked:
        assert bytes(unpacked.data) == content
        assert list(tmp_path.iterdir()) == []
    assert len(stored.data) > 0  # still the caller's


def test_document_without_compression_is_given_back() -> None:
    stored = HeldBody(b"{}")

    assert decompressed(stored, "none", LIMIT) is stored


def _blocks(text: bytes) -> bytes:
    return b"".join(gzip.compress(text[start : start + 7]) for start in range(0, len(text), 7))


@pytest.mark.parametrize("size", [1, 6, 7, 8, 2**20 - 1, 2**20, 2**20 + 1], ids=str)
def test_members_of_gzip_are_joined(size: int) -> None:
    text = (b"cachescope" * (size // 10 + 1))[:size]
    stored = _blocks(text) if size < 100 else gzip.compress(text) + gzip.compress(text)

    with decompressed(HeldBody(stored + b"\0" * 512), "gzip", LIMIT) as unpacked:
        assert bytes(unpacked.data) == (text if size < 100 else text * 2)


@pytest.mark.parametrize(
    ("stored", "compression", "message"),
    [
        (b"", "gzip", "end too early"),
        (b"\x1f\x8b", "gzip", "end too early"),
        (gzip.compress(LARGE)[:-9], "gzip", "end too early"),
        (gzip.compress(b"a") + gzip.compress(b"b")[:-1], "gzip", "end too early"),
        (b"{}", "gzip", "corrupt"),
        (gzip.compress(b"a")[:-8] + b"\1" * 8, "gzip", "corrupt"),
        (gzip.compress(b"a") + b"rest", "gzip", "corrupt"),
        (gzip.compress(bytes(LIMIT + 1)), "gzip", "more than 4,000,000 bytes"),
        (b"{}", "zstd", "'zstd' is not known"),
    ],
    ids=["empty", "head", "cut", "second cut", "plain", "checksum", "rest", "bomb", "zstd"],
)
def test_document_that_cannot_be_unpacked_is_malformed(stored: bytes, compression: str, message: str) -> None:
    with pytest.raises(MalformedDocument, match=message) as caught:
        decompressed(HeldBody(stored), compression, LIMIT, where="blobs/a")

    assert caught.value.where == "blobs/a"
    assert caught.value.hint


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("content", [b"", b"{}", bytes(20_000_000)], ids=["empty", "small", "large"])
def test_digest_is_that_of_all_bytes(algorithm: str, content: bytes) -> None:
    with HeldBody(content) as body:
        digest = digest_of(body, algorithm)

    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"


def test_slice_that_outlives_its_body_stays_readable(tmp_path: Path) -> None:
    with BodyWriter(limit=LIMIT, where="", temporary_folder=tmp_path) as writer:
        writer.write(LARGE)
        body = writer.finish()
    part = body.data[-3:]

    body.close()

    assert bytes(part) == LARGE[-3:]
    part.release()


@pytest.mark.parametrize("room", [1000, 1_100_000, 1_999_000], ids=["none", "some", "nearly enough"])
def test_temporary_folder_that_is_full_is_told(
    tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]], room: int
) -> None:
    def written() -> None:
        with BodyWriter(limit=LIMIT, where="a", temporary_folder=tmp_path) as writer:
            for _ in range(2000):
                writer.write(bytes(1000))
            writer.finish()

    with small_disk(room), pytest.raises(UserInputError, match="cannot be held in a temp") as caught:
        written()

    assert caught.value.where == str(tmp_path)
    assert "temporary_folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
