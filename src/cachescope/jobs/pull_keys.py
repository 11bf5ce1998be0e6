"""Copies the public keys of mirrors that are pulled. Keys grant no trust by themselves: who installs decides."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from cachescope.formats.decoding import decoding
from cachescope.formats.index_writing import KEY_INDEX_MEDIA_TYPE, manifest_text, stored_blob
from cachescope.formats.layouts import LARGEST_KEY, blob_path
from cachescope.formats.manifest_json import decode_manifest
from cachescope.model.errors import MalformedDocument, MirrorUnavailable
from cachescope.model.identity import Digest
from cachescope.model.mirror import Layout
from cachescope.model.virtual import VirtualSource
from cachescope.transport.body import HeldBody, digest_of
from cachescope.transport.source import ByteSource, Fetched
from cachescope.transport.writer import write_atomically

__all__ = ["KeyCopier"]

_V3 = "v3/manifests/key"
_V2 = "build_cache/_pgp"
_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")
_V3_FILE = re.compile(rf"({_FINGERPRINT.pattern})\.key\.manifest\.json")
_V2_FILE = re.compile(rf"({_FINGERPRINT.pattern})\.pub")


class _KeysWire(msgspec.Struct):
    keys: dict[str, msgspec.Raw]


class KeyCopier:
    """Copies keys into ``folder``."""

    def __init__(self, folder: Path, open_source: Callable[[VirtualSource], ByteSource]) -> None:
        self._folder = folder
        self._open_source = open_source
        self.warnings: list[str] = []

    def copy(self, sources: Iterable[VirtualSource]) -> int:
        """Copy the keys of sources, and list those that are in the folder then; returns how many there are.

        A key that cannot be read is a warning: the binaries are whole without it.
        """
        asked = {(one.url, one.layout): one for one in sources}
        for one in asked.values():
            try:
                if one.layout is Layout.V3:
                    self._copy_v3(one)
                else:
                    self._copy_v2(one)
            except (MirrorUnavailable, MalformedDocument) as error:
                self.warnings.append(f"the public keys of {one.name} were not copied: {error}")
        return len({*self._list_v3(), *self._list_v2()})

    def _copy_v3(self, source: VirtualSource) -> None:
        index = self._read(source, f"{_V3}/keys.manifest.json")
        if index is None:
            return
        for fingerprint in _fingerprints(self._blob(source, index)[1]):
            path = f"{_V3}/{fingerprint}.key.manifest.json"
            manifest = self._read(source, path)
            if manifest is None:
                raise MirrorUnavailable(f"the key {fingerprint} is missing there")
            digest, key = self._blob(source, manifest)
            write_atomically(self._folder / blob_path(digest), key)
            write_atomically(self._folder / path, manifest)

    def _copy_v2(self, source: VirtualSource) -> None:
        index = self._read(source, f"{_V2}/index.json")
        for fingerprint in _fingerprints(index) if index is not None else ():
            path = f"{_V2}/{fingerprint}.pub"
            key = self._read(source, path)
            if key is None:
                raise MirrorUnavailable(f"the key {fingerprint} is missing there")
            write_atomically(self._folder / path, key)

    def _list_v3(self) -> Sequence[str]:
        found = _named(self._folder / _V3, _V3_FILE)
        if found:
            place = self._folder / _V3 / "keys.manifest.json"
            document = _key_index(found)
            digest = digest_of(HeldBody(document), "sha256")
            write_atomically(self._folder / blob_path(digest), document)
            blob = stored_blob(digest, len(document), media_type=KEY_INDEX_MEDIA_TYPE)
            former = _digest_in(place)
            write_atomically(place, manifest_text(blob))
            if former not in {None, digest}:
                (self._folder / blob_path(former)).unlink(missing_ok=True)
        return found

    def _list_v2(self) -> Sequence[str]:
        found = _named(self._folder / _V2, _V2_FILE)
        if found:
            write_atomically(self._folder / _V2 / "index.json", _key_index(found))
        return found

    def _blob(self, source: VirtualSource, manifest: bytes) -> tuple[Digest, bytes]:
        blobs = decode_manifest(manifest, kind="key manifest").blobs
        if len(blobs) != 1 or blobs[0].compression != "none":
            raise MalformedDocument("a key manifest does not name one blob that is stored as it is")
        path = blob_path(blobs[0].digest)
        data = self._read(source, path)
        if data is None:
            raise MirrorUnavailable(f"there is no {path}")
        if digest_of(HeldBody(data), blobs[0].digest.algorithm) != blobs[0].digest:
            raise MalformedDocument(f"the bytes are not those of {blobs[0].digest}", where=path)
        return blobs[0].digest, data

    def _read(self, source: VirtualSource, path: str) -> bytes | None:
        outcome = self._open_source(source).read(path, largest=LARGEST_KEY)
        if not isinstance(outcome, Fetched):
            return None
        with outcome.body as body:
            return bytes(body.data)


def _fingerprints(document: bytes) -> Sequence[str]:
    """Return what a key index lists. What is no fingerprint could be a path, and is left out."""
    with decoding("key index", document):
        wire = msgspec.json.decode(document, type=_KeysWire)
    return sorted(one for one in wire.keys if _FINGERPRINT.fullmatch(one))


def _key_index(fingerprints: Sequence[str]) -> bytes:
    return msgspec.json.encode({"keys": {one: {} for one in fingerprints}})


def _named(folder: Path, pattern: re.Pattern[str]) -> Sequence[str]:
    if not folder.is_dir():
        return []
    return sorted(found[1] for one in folder.iterdir() if (found := pattern.fullmatch(one.name)) is not None)


def _digest_in(place: Path) -> Digest | None:
    try:
        return decode_manifest(place.read_bytes(), kind="key manifest").blobs[0].digest
    except (OSError, MalformedDocument, IndexError):  # none yet, or one that is replaced now
        return None
