"""Spec documents of layout v2: what they say of the archive beside them (source: Spack 0.23 ``binary_distribution``).

::

    {"spec":{"_meta":{"version":4},"nodes":[{"name":"zlib",...,"hash":"6frd..."}, ...]},
     "buildcache_layout_version":2,"binary_cache_checksum":{"hash_algorithm":"sha256","hash":"9cbb..."}}

The first node is the spec itself. ``binary_cache_checksum`` is of the ``.spack`` file; its size stands nowhere. The
document may stand in an OpenPGP envelope.
"""

from dataclasses import dataclass

import msgspec

from cachescope.formats.decoding import decoding
from cachescope.formats.signature import unwrap
from cachescope.model.errors import MalformedDocument, UserInputError
from cachescope.model.identity import DagHash, Digest, parse_digest

__all__ = ["SpecDocument", "check_spec_document", "decode_spec_document"]

_KIND = "spec document"


@dataclass(frozen=True, slots=True)
class SpecDocument:
    """What is read of it."""

    digest: Digest
    """Of the archive, as stored."""

    signed: bool


class _NodeWire(msgspec.Struct):
    hash: str = ""


class _SpecWire(msgspec.Struct):
    nodes: list[_NodeWire]


class _ChecksumWire(msgspec.Struct):
    hash_algorithm: str
    hash: str


class _DocumentWire(msgspec.Struct):
    spec: _SpecWire
    binary_cache_checksum: _ChecksumWire | None = None


def decode_spec_document(document: memoryview | bytes, *, expected: DagHash) -> SpecDocument:
    """Decode a spec document, signed or not.

    Raises ``MalformedDocument``, also where it is about another spec than ``expected``, as its name does not bind it.
    """
    text, signed = unwrap(bytes(document))
    with decoding(_KIND, text):
        wire = msgspec.json.decode(text, type=_DocumentWire)
    _check_root(wire, expected)
    checksum = wire.binary_cache_checksum
    if checksum is None:
        raise MalformedDocument(
            f"the {_KIND} states no checksum of the archive, without which Spack does not use it"
        )
    try:
        digest = parse_digest(checksum.hash_algorithm, checksum.hash)
    except UserInputError as error:
        raise MalformedDocument(f"the {_KIND} states a checksum that is none: {error.message}") from error
    return SpecDocument(digest, signed)


def check_spec_document(document: bytes, *, expected: DagHash) -> None:
    """Check that a spec document, as a blob of layout v3 holds it unpacked, is about this spec: no manifest says so.

    Raises ``MalformedDocument``.
    """
    with decoding(_KIND, document):
        wire = msgspec.json.decode(document, type=_DocumentWire)
    _check_root(wire, expected)


def _check_root(wire: _DocumentWire, expected: DagHash) -> None:
    found = wire.spec.nodes[0].hash if wire.spec.nodes else ""
    if found != expected:
        raise MalformedDocument(
            f"the {_KIND} is about another spec than its name says",
            hint="do not use this binary before the maintainer of the mirror has looked at it",
        )
