"""Writes the index of a pulled mirror: what was pulled now, and what other pulls brought into the same folder before."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection

from cachescope.catalogue.pull_selection import ListedSpecs, read_nodes
from cachescope.formats.index_json import IndexDocument, open_index
from cachescope.formats.index_writing import (
    INDEX_MEDIA_TYPE,
    index_end,
    index_record,
    index_start,
    manifest_text,
    stored_blob,
)
from cachescope.formats.layouts import blob_path, spec_document_paths, spec_manifest_path
from cachescope.formats.manifest_json import NEWEST_INDEX_VERSION, decode_manifest, index_blob
from cachescope.model.archive import Binary
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash, Digest, parse_digest
from cachescope.model.mirror import Layout
from cachescope.model.record import Presence
from cachescope.transport.writer import unwritable, write_atomically

__all__ = ["write_index"]

_MANIFEST = "v3/manifests/index/index.manifest.json"
_V2_INDEX = "build_cache/index.json"
_PART = ".index.part"


@dataclass(slots=True)
class _Former:
    """Records that are in the index of the folder, and not among those that are pulled now."""

    present: set[str] = field(default_factory=set)
    """Of all its records, those whose document still is in the folder."""

    nodes: dict[str, bytes] = field(default_factory=dict)
    dependents: dict[str, int] = field(default_factory=dict)
    """How many of these records depend directly on each spec."""

    blob: Digest | None = None


def write_index(folder: Path, connection: Connection, listed: ListedSpecs, present: set[DagHash]) -> int:
    """Write the index of one layout; returns how many present specs it lists.

    The same content gives the same bytes. It is there whole or not at all; the former one stays until then.
    """
    former = _former(folder, listed)
    present_now = {*present, *former.present}
    version = int(listed.version)
    try:
        with _part(folder) as file:
            hasher = hashlib.sha256()
            size = 0
            for piece in _document(connection, listed, former, present_now, version):
                file.write(piece)
                hasher.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
            digest = parse_digest("sha256", hasher.hexdigest())
            _put(folder, listed, Path(file.name), digest, size)
    except OSError as error:
        raise unwritable(folder, error) from error
    if former.blob not in {None, digest}:
        (folder / blob_path(former.blob)).unlink(missing_ok=True)
    return len(present_now)


def _put(folder: Path, listed: ListedSpecs, part: Path, digest: Digest, size: int) -> None:
    if listed.layout is Layout.V3:
        target = folder / blob_path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
        blob = stored_blob(digest, size, media_type=INDEX_MEDIA_TYPE.format(version=listed.version))
        write_atomically(folder / _MANIFEST, manifest_text(blob))
        return
    part.replace(folder / _V2_INDEX)
    write_atomically(folder / f"{_V2_INDEX}.hash", digest.hexadecimal.encode())


def _document(
    connection: Connection, listed: ListedSpecs, former: _Former, present: set[str], version: int
) -> Iterator[bytes]:
    """Yield the document, records by hash."""
    rest = sorted(former.nodes, reverse=True)
    first = True
    yield index_start(listed.version)

    def record(dag_hash: str, node: bytes, dependents: int) -> bytes:
        nonlocal first
        text = index_record(
            dag_hash,
            node,
            version=version,
            ref_count=dependents + former.dependents.get(dag_hash, 0),
            in_buildcache=dag_hash in present,
            first=first,
        )
        first = False
        return text

    try:
        for dag_hash, key, node in read_nodes(connection, listed.hashes):
            while rest and rest[-1] < dag_hash:
                before = rest.pop()
                yield record(before, former.nodes[before], 0)
            yield record(dag_hash, node, listed.dependents.get(key, 0))
    except KeyError as error:
        raise MalformedRecord(
            "the catalogue forgot a record while its binary was copied",
            where="pull",
            hint="run the same command again",
        ) from error
    for before in reversed(rest):
        yield record(before, former.nodes[before], 0)
    yield index_end()


@contextmanager
def _part(folder: Path) -> Iterator[BinaryIO]:
    path = folder / _PART
    try:
        with path.open("wb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def _former(folder: Path, listed: ListedSpecs) -> _Former:
    """Read the index that is there, if there is one."""
    found = _Former()
    try:
        document, found.blob = _open_former(folder, listed.layout)
    except FileNotFoundError:
        return found
    except OSError as error:
        raise unwritable(folder, error) from error
    if document is None:
        return found
    now = {dag_hash for dag_hash, _ in listed.hashes}
    for dag_hash, presence in document.presence.items():
        try:
            spec = document.spec(dag_hash)
        except MalformedRecord:
            continue
        if presence is Presence.PRESENT:
            one = Binary(
                hash=dag_hash,
                name=spec.name,
                version=spec.version,
                compiler=spec.compiler,
                architecture=spec.architecture,
            )
            if any((folder / path).is_file() for path in _documents(listed.layout, one)):
                found.present.add(dag_hash)
        if dag_hash not in now:
            found.nodes[dag_hash] = document.original(dag_hash)
            for child in {edge.hash for edge in spec.edges}:
                found.dependents[child] = found.dependents.get(child, 0) + 1
    return found


def _documents(layout: Layout, one: Binary) -> Iterable[str]:
    return (spec_manifest_path(one),) if layout is Layout.V3 else spec_document_paths(one)


def _open_former(folder: Path, layout: Layout) -> "tuple[IndexDocument | None, Digest | None]":
    if layout is Layout.V2:
        return _opened((folder / _V2_INDEX).read_bytes()), None
    manifest = decode_manifest((folder / _MANIFEST).read_bytes(), kind="index manifest")
    digest = index_blob(manifest, newest=NEWEST_INDEX_VERSION).digest
    return _opened((folder / blob_path(digest)).read_bytes()), digest


def _opened(data: bytes) -> IndexDocument:
    return open_index(memoryview(data))
