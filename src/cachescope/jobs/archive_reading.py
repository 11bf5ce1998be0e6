"""Reads what a mirror states of the archive of one binary: one manifest (v3), or a spec document and a size (v2)."""

from datetime import datetime

from cachescope.formats.layouts import archive_path, spec_document_paths, spec_manifest_path
from cachescope.formats.manifest_json import archive_blob, decode_manifest
from cachescope.formats.spec_json import decode_spec_document
from cachescope.model.archive import Archive, ArchiveState, Binary
from cachescope.model.errors import MalformedDocument
from cachescope.model.mirror import Layout
from cachescope.transport.source import ByteSource, Fetched, Missing, Unsized

__all__ = ["read_archive"]


def read_archive(source: ByteSource, layout: Layout, binary: Binary, *, now: datetime) -> Archive:
    """Read what is stated of one binary. What is not there, or breaks its format, is an answer too.

    Raises ``MirrorUnavailable`` where the mirror gives no answer.
    """
    match layout:
        case Layout.V3:
            return _read_v3(source, binary, now)
        case Layout.V2:
            return _read_v2(source, binary, now)
        case Layout.OCI | Layout.PAGES:
            raise AssertionError(f"{layout} has no archives to ask for")


def _read_v3(source: ByteSource, binary: Binary, now: datetime) -> Archive:
    path = spec_manifest_path(binary)
    try:
        outcome = source.read(path)
        if not isinstance(outcome, Fetched):
            return _missing(f"there is no {path}", now)
        with outcome.body as body:
            manifest = decode_manifest(body.data, kind="spec manifest")
        blob = archive_blob(manifest)
    except MalformedDocument as error:
        return _unreadable(path, error, now)
    return Archive(
        state=ArchiveState.STATED,
        asked_at=now,
        size=blob.size,
        digest=blob.digest,
        media_type=blob.media_type,
        # One word for each kind of archive: a manifest that says something else than a word does not fill the catalogue.
        compression=blob.compression if blob.compression in {"gzip", "none"} else "",
        signed=manifest.signed,
    )


def _read_v2(source: ByteSource, binary: Binary, now: datetime) -> Archive:
    archive = archive_path(binary)
    for path in spec_document_paths(binary):
        try:
            outcome = source.read(path)
            if not isinstance(outcome, Fetched):
                continue
            with outcome.body as body:
                stated = decode_spec_document(body.data, expected=binary.hash)
        except MalformedDocument as error:
            return _unreadable(path, error, now)
        size = source.size(archive)
        if isinstance(size, Missing):
            return _missing(f"there is no {archive}", now)
        if isinstance(size, Unsized):
            reason = f"{archive}: the server does not say how large it is"
            return Archive(state=ArchiveState.UNREADABLE, asked_at=now, reason=reason)
        return Archive(
            state=ArchiveState.STATED,
            asked_at=now,
            size=size.size,
            digest=stated.digest,
            signed=stated.signed,
        )
    return _missing(f"there is no {path}, nor a signed one", now)


def _missing(reason: str, now: datetime) -> Archive:
    return Archive(state=ArchiveState.MISSING, asked_at=now, reason=reason)


def _unreadable(path: str, error: MalformedDocument, now: datetime) -> Archive:
    return Archive(state=ArchiveState.UNREADABLE, asked_at=now, reason=f"{path}: {error.message}")
