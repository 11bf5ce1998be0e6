"""``cache_spack_io_index.json``: the directory that a public bucket publishes of its own indexes.

::

    {"develop": [{"label": "e4s", "url": "s3://spack-binaries/develop/e4s/blobs/sha256/ab/abc..."},
                 {"label": "root", "url": "s3://spack-binaries/develop/blobs/sha256/cd/cde..."}]}

Source: the spack-infrastructure ``cache-indexer`` job, which writes it each night to the root of the bucket. The address
is that of an index blob, which the next re-index may take away: what lasts is the mirror, everything before ``/blobs/``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from cachescope.formats.decoding import decoding
from cachescope.formats.layouts import mirror_root_of_index
from cachescope.model.errors import UserInputError
from cachescope.model.identity import MirrorName, parse_mirror_name

__all__ = ["BucketIndex", "decode_bucket_index"]


class _EntryWire(msgspec.Struct):
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class BucketIndex:
    """Mirrors of a bucket by name, in the order of the document, and a sentence for each entry that was left out."""

    mirrors: Mapping[MirrorName, str]
    skipped: tuple[str, ...]


def decode_bucket_index(document: memoryview | bytes, *, public_addresses: Mapping[str, str]) -> BucketIndex:
    """Decode the directory; ``public_addresses`` maps beginnings such as ``s3://spack-binaries/`` to readable ones.

    Raises ``MalformedDocument``.
    """
    with decoding(
        "index of the bucket",
        document,
        hint="a cache_spack_io_index.json maps refs to lists of label and url",
    ):
        refs = msgspec.json.decode(document, type=dict[str, list[_EntryWire]])
    mirrors: dict[MirrorName, str] = {}
    skipped: list[str] = []
    for ref, entries in refs.items():
        for entry in entries:
            try:
                mirrors[parse_mirror_name(f"{ref}/{entry.label}")] = _mirror_url(entry.url, public_addresses)
            except UserInputError as error:
                skipped.append(f"{ref}/{entry.label}: {error}")
    return BucketIndex(mirrors, tuple(skipped))


def _mirror_url(url: str, public_addresses: Mapping[str, str]) -> str:
    root = mirror_root_of_index(url)
    if root is None:
        raise UserInputError("the address is that of no index", where=url)
    for beginning, readable in public_addresses.items():
        if (root + "/").startswith(beginning):
            return (readable.rstrip("/") + "/" + (root + "/").removeprefix(beginning)).rstrip("/")
    if root.startswith("s3://"):
        raise UserInputError(
            "no public address is known for this bucket",
            where=url,
            hint="add it to the setting public_addresses",
        )
    return root
