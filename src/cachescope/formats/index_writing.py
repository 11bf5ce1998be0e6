"""Writes what Spack reads of a mirror: index documents out of original records, and manifests around blobs.

::

    {"database":{"version":"8","installs":{"<hash>":{"spec":{...node...},"ref_count":1,"in_buildcache":true},...}}}

Records stand as they stood in the index that they came from. Where a node has the shape of another version (a mirror
that was migrated from layout v2 has the same spec in both), it is turned as Spack's own readers and writers do:
version 8 has the compiler of an older spec in an annotation, versions 7 and 6 have it as a field, version 6 has the
types of a dependency beside its hash (source: Spack 1.2 ``spec.SpecfileV4``, ``Spec.node_dict_with_hashes``).
"""

import json
import re
from typing import Any

import msgspec

from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash, Digest
from cachescope.model.manifest import BlobRef

__all__ = [
    "INDEX_MEDIA_TYPE",
    "KEY_INDEX_MEDIA_TYPE",
    "KEY_MEDIA_TYPE",
    "LAYOUT_DOCUMENT",
    "index_end",
    "index_record",
    "index_start",
    "manifest_text",
    "stored_blob",
]

KEY_MEDIA_TYPE = "application/pgp-keys"
KEY_INDEX_MEDIA_TYPE = "application/vnd.spack.keyindex.v1+json"
INDEX_MEDIA_TYPE = "application/vnd.spack.db.v{version}+json"
LAYOUT_DOCUMENT = b'{"signing": "gpg"}'
"""``v3/layout.json``, as Spack writes it."""

_ANNOTATING = 8
_WITH_PARAMETERS = 7
_FORMAT_OF_V7 = 4
_COMPILER = re.compile(r"(?P<name>[^@]+)@=?(?P<version>.+)")


def index_start(version: str) -> bytes:
    """Return what stands before the first record."""
    return b'{"database":{"version":' + msgspec.json.encode(version) + b',"installs":{'


def index_end() -> bytes:
    """Return what stands behind the last record."""
    return b"}}}"


def index_record(
    dag_hash: DagHash | str, node: bytes, *, version: int, ref_count: int, in_buildcache: bool, first: bool
) -> bytes:
    """Return one record with its key, and the comma before it. Raises ``MalformedRecord`` for a node that cannot be turned."""
    text = node if _has_shape(node, version) else _turned(dag_hash, node, version)
    present = b"true" if in_buildcache else b"false"
    return b'%s"%s":{"spec":%s,"ref_count":%d,"in_buildcache":%s}' % (
        b"" if first else b",",
        dag_hash.encode(),
        text,
        ref_count,
        present,
    )


class _ShapeWire(msgspec.Struct):
    annotations: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    dependencies: list[dict[str, msgspec.Raw]] | msgspec.UnsetType = msgspec.UNSET


_shape = msgspec.json.Decoder(_ShapeWire)


def _has_shape(node: bytes, version: int) -> bool:
    if version >= _ANNOTATING:
        # The word decides nearly always: annotations are the last but one field of a node.
        return b'"annotations":' in node[-400:] or _shape.decode(node).annotations is not msgspec.UNSET
    found = _shape.decode(node)
    if found.annotations is not msgspec.UNSET:
        return False
    key = "parameters" if version == _WITH_PARAMETERS else "type"
    return found.dependencies is msgspec.UNSET or all(key in one for one in found.dependencies)


def _turned(dag_hash: DagHash | str, node: bytes, version: int) -> bytes:
    fields: dict[str, Any] = msgspec.json.decode(node)
    annotations = fields.pop("annotations", None)
    compiler = fields.pop("compiler", None)
    own_hash = fields.pop("hash", str(dag_hash))
    for edge in fields.get("dependencies", ()):
        _turn_edge(edge, version)
    if version >= _ANNOTATING:
        fields["annotations"] = annotations or {
            "original_specfile_version": _FORMAT_OF_V7,
            "compiler": f"{compiler['name']}@={compiler['version']}" if compiler else "None",
        }
    else:
        compiler = compiler or _compiler_of(dag_hash, annotations)
        names = list(fields)
        place = names.index("arch") + 1 if "arch" in fields else len(names)
        pairs = list(fields.items())
        if compiler is not None:
            pairs.insert(place, ("compiler", compiler))
        fields = dict(pairs)
    fields["hash"] = own_hash
    return msgspec.json.encode(fields)


def _turn_edge(edge: dict[str, Any], version: int) -> None:
    if version >= _WITH_PARAMETERS and "type" in edge:
        edge["parameters"] = {"deptypes": edge.pop("type"), "virtuals": []}
    elif version < _WITH_PARAMETERS and "parameters" in edge:
        edge["type"] = edge.pop("parameters").get("deptypes", [])


def _compiler_of(dag_hash: DagHash | str, annotations: Any) -> dict[str, str] | None:
    """Return the field that an annotation was made of."""
    if not annotations:
        return None
    if annotations.get("original_specfile_version", 0) > _FORMAT_OF_V7:
        raise MalformedRecord(
            f"/{dag_hash} was written by Spack 1.0 or newer: no index of an older version can hold it",
            hint="leave the source of layout v2 out of the virtual mirror",
        )
    found = _COMPILER.fullmatch(annotations.get("compiler") or "")
    return {"name": found["name"], "version": found["version"]} if found is not None else None


def stored_blob(content_digest: Digest, size: int, *, media_type: str) -> BlobRef:
    """Return how a manifest describes bytes that are stored as they are."""
    return BlobRef(media_type=media_type, digest=content_digest, size=size, compression="none")


def manifest_text(*blobs: BlobRef) -> bytes:
    """Return an unsigned manifest, in the lines in which Spack writes it."""
    document = {
        "version": 3,
        "data": [
            {
                "contentLength": one.size,
                "mediaType": one.media_type,
                "compression": one.compression,
                "checksumAlgorithm": one.digest.algorithm,
                "checksum": one.digest.hexadecimal,
            }
            for one in blobs
        ],
    }
    return json.dumps(document, indent=0, separators=(",", ":")).encode()
