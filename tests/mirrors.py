"""Small mirrors made by hand: concrete nodes with their real hashes, index documents, and the folders that hold them."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Node = dict[str, Any]
Installs = dict[str, dict[str, Any]]

NOBODY = "a" * 32
"""A hash that no spec has."""

_FLAGS: Mapping[str, list[str]] = {
    name: [] for name in ("cflags", "cppflags", "cxxflags", "fflags", "ldflags", "ldlibs")
}


def node(
    name: str,
    version: str = "1.0",
    *,
    system: str = "debian12",
    target: str = "x86_64_v3",
    variants: Mapping[str, object] | None = None,
    needs: Sequence[tuple[Node, str, str]] = (),
    **extra: object,
) -> Node:
    """Make a concrete node of spec format 5; ``needs`` are dependencies with types and virtuals, by commas."""
    made: Node = {
        "name": name,
        "version": version,
        "arch": {"platform": "linux", "platform_os": system, "target": target},
        "namespace": "made",
        "parameters": {**(variants or {"build_system": "generic"}), **_FLAGS},
        **extra,
        "package_hash": f"{base64.b32encode(hashlib.sha256(name.encode()).digest()).decode().lower()}",
        "dependencies": [
            {
                "name": child["name"],
                "hash": child["hash"],
                "parameters": {
                    "deptypes": types.split(","),
                    "virtuals": virtuals.split(",") if virtuals else [],
                },
            }
            for child, types, virtuals in needs
        ],
        "annotations": {"original_specfile_version": 5},
    }
    text = json.dumps(made, separators=(",", ":"))
    made["hash"] = base64.b32encode(hashlib.sha1(text.encode()).digest()).decode().lower()  # noqa: S324 - the field's hash
    return made


def record(one: Node, *, present: bool = True) -> dict[str, Any]:
    return {"spec": one, "ref_count": 0, "in_buildcache": present}


def installs(present: Iterable[Node], mentioned: Iterable[Node] = ()) -> Installs:
    """Make the records of an index."""
    return {one["hash"]: record(one) for one in present} | {
        one["hash"]: record(one, present=False) for one in mentioned
    }


def index(records: Mapping[str, object], *, version: str = "8") -> bytes:
    """Make an index document."""
    return as_json({"database": {"version": version, "installs": records}})


def as_json(value: object) -> bytes:
    """Write JSON as Spack does, without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def read_installs(document: bytes) -> Installs:
    """Read the records of an index document."""
    records: Installs = json.loads(document)["database"]["installs"]
    return records


def manifest(
    stored: bytes, *, compression: str = "none", checksum: str = "", media: str = "8", version: int = 3
) -> bytes:
    """Make the index manifest of a blob."""
    blob = {
        "contentLength": len(stored),
        "mediaType": f"application/vnd.spack.db.v{media}+json",
        "compression": compression,
        "checksumAlgorithm": "sha256",
        "checksum": checksum or hashlib.sha256(stored).hexdigest(),
    }
    return json.dumps({"version": version, "data": [blob]}, indent=0).encode()


def blob_place(stored: bytes) -> str:
    """Return where a mirror keeps these bytes."""
    checksum = hashlib.sha256(stored).hexdigest()
    return f"blobs/sha256/{checksum[:2]}/{checksum}"


def manifest_place(view: str = "") -> str:
    return f"v3/manifests/index/{view + '/' if view else ''}index.manifest.json"


def write(folder: Path, place: str, data: bytes) -> Path:
    """Write a file of a mirror."""
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def write_v3(folder: Path, document: bytes, *, view: str = "", compression: str = "none") -> Path:
    """Write an index in layout v3; returns the blob."""
    stored = gzip.compress(document, mtime=0) if compression == "gzip" else document
    blob = write(folder, blob_place(stored), stored)
    write(folder, manifest_place(view), manifest(stored, compression=compression))
    return blob


def write_v2(folder: Path, document: bytes) -> Path:
    """Write an index in layout v2, with its hash beside it; returns the index."""
    write(folder, "build_cache/index.json.hash", hashlib.sha256(document).hexdigest().encode())
    return write(folder, "build_cache/index.json", document)


def spec_manifest(size: int, *, signed: bool = False, **changes: object) -> bytes:
    """Make the manifest of a binary whose archive has ``size`` bytes; changes are of the entry of the archive."""
    archive = {
        "contentLength": size,
        "mediaType": "application/vnd.spack.install.v2.tar+gzip",
        "compression": "gzip",
        "checksumAlgorithm": "sha256",
        "checksum": hashlib.sha256(b"%d" % size).hexdigest(),
    }
    document = {
        **archive,
        "contentLength": 959,
        "mediaType": "application/vnd.spack.spec.v5+json",
        "checksum": hashlib.sha256(b"spec").hexdigest(),
    }
    text = json.dumps({"version": 3, "data": [{**archive, **changes}, document]}, indent=0).encode()
    if not signed:
        return text
    return (
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        + text
        + b"\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n-----END PGP SIGNATURE-----\n"
    )


def spec_manifest_place(one: Node) -> str:
    return f"v3/manifests/spec/{one['name']}/{one['name']}-{one['version']}-{one['hash']}.spec.manifest.json"
