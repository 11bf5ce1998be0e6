"""The public keys of the sources of a virtual mirror, put together: who trusts the mirror's keys trusts all of them."""

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import msgspec

from cachescope.formats.decoding import decoding
from cachescope.formats.index_writing import (
    KEY_INDEX_MEDIA_TYPE,
    KEY_MEDIA_TYPE,
    manifest_text,
    stored_blob,
)
from cachescope.formats.layouts import LARGEST_KEY, blob_path
from cachescope.formats.manifest_json import decode_manifest
from cachescope.model.errors import CachescopeError, MalformedDocument, UserInputError
from cachescope.model.identity import Digest
from cachescope.model.mirror import Layout, MirrorUrl
from cachescope.model.virtual import VirtualSource
from cachescope.transport.source import ByteSource, Fetched
from cachescope.transport.writer import write_atomically

__all__ = ["KeptKeys", "Keyring", "SourceKeys"]

_LOG = logging.getLogger("cachescope.virtual")
_FRESH = 300.0
_AGAIN = 20.0
"""Seconds until a source that failed is asked again."""

_MOST_KEYS = 200
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{40,64}")


class _KeyIndexWire(msgspec.Struct):
    keys: dict[str, object]


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by fingerprint, and the documents that give them."""

    keys: Mapping[str, bytes]

    @property
    def index(self) -> bytes:
        """The list of fingerprints, as both layouts have it."""
        return json.dumps({"keys": {one: {} for one in self.keys}}).encode()

    @property
    def index_manifest(self) -> bytes:
        """The manifest of the list (v3)."""
        return _manifest(self.index, KEY_INDEX_MEDIA_TYPE)

    def key_manifest(self, fingerprint: str) -> bytes | None:
        """Return the manifest of a key (v3)."""
        key = self.keys.get(fingerprint)
        return _manifest(key, KEY_MEDIA_TYPE) if key is not None else None

    def blob(self, digest: Digest) -> bytes | None:
        """Return the bytes with this digest, if they are of a key or of the list."""
        return next((one for one in (self.index, *self.keys.values()) if _digest(one) == digest), None)


def _digest(content: bytes, algorithm: str = "sha256") -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, content, usedforsecurity=False).hexdigest())


def _manifest(content: bytes, media_type: str) -> bytes:
    return manifest_text(stored_blob(_digest(content), len(content), media_type=media_type))


class SourceKeys:
    """Reads the keys of sources, and remembers them for some minutes. Safe to use from several threads."""

    def __init__(
        self,
        *,
        open_source: Callable[[MirrorUrl], ByteSource],
        failed: Callable[[VirtualSource, CachescopeError], None],
    ) -> None:
        self._open_source = open_source
        self._failed = failed
        self._lock = Lock()
        self._asking: dict[tuple[str, Layout], Lock] = {}
        self._known: dict[tuple[str, Layout], tuple[float, Mapping[str, bytes]]] = {}

    def known(self, sources: Sequence[VirtualSource]) -> Keyring | None:
        """Return the keys of sources, if none of them has to be asked now."""
        now = time.monotonic()
        with self._lock:
            found = [self._known.get((one.url.text, one.layout), (0.0, {})) for one in sources]
        if any(now >= until for until, _ in found):
            return None
        return _together(keys for _, keys in found)

    def of(self, sources: Sequence[VirtualSource]) -> Keyring:
        """Return the keys of sources; of one that is not available, those that it had. The first source decides."""
        return _together(self._keys(one) for one in sources)

    def _keys(self, source: VirtualSource) -> Mapping[str, bytes]:
        place = source.url.text, source.layout
        with self._lock:
            known = self._known.get(place)
            asking = self._asking.setdefault(place, Lock())
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        # One asks a source, and holds up nobody who asks for others, or does with what was known.
        if not asking.acquire(blocking=known is None):
            return known[1] if known is not None else {}
        try:
            return self._asked(source, place)
        finally:
            asking.release()

    def _asked(self, source: VirtualSource, place: tuple[str, Layout]) -> Mapping[str, bytes]:
        with self._lock:
            until, known = self._known.get(place, (0.0, {}))
        if time.monotonic() < until:
            return known
        try:
            read = _read_v3 if source.layout is Layout.V3 else _read_v2
            known = read(self._open_source(source.url))
            until = time.monotonic() + _FRESH
        except CachescopeError as error:
            self._failed(source, error)
            until = time.monotonic() + _AGAIN
        with self._lock:
            self._known[place] = until, known
        return known


def _together(found: Iterable[Mapping[str, bytes]]) -> Keyring:
    keys: dict[str, bytes] = {}
    for some in found:
        for fingerprint, key in some.items():
            keys.setdefault(fingerprint, key)
    return Keyring(keys)


class KeptKeys:
    """The keys that a virtual mirror served last, in its folder: another process may be asked for their bytes."""

    def __init__(self, home: Path) -> None:
        self._file = home / "keys.json"

    def keep(self, keyring: Keyring) -> None:
        """Keep them in place of the former ones."""
        try:
            write_atomically(self._file, msgspec.json.encode(keyring.keys))
        except (UserInputError, OSError) as error:
            _LOG.warning("keys are served by this process alone: %s", error)

    def read(self) -> Keyring:
        """Return them; none where nothing was served, or the file is damaged."""
        try:
            return Keyring(_decode_keys(self._file.read_bytes()))
        except (OSError, msgspec.DecodeError):
            return Keyring({})


_decode_keys = msgspec.json.Decoder(dict[str, bytes]).decode


def _read_v3(source: ByteSource) -> Mapping[str, bytes]:
    index = _blob_of(source, "v3/manifests/key/keys.manifest.json")
    if index is None:
        return {}
    found = {
        one: _blob_of(source, f"v3/manifests/key/{one}.key.manifest.json") for one in _fingerprints(index)
    }
    return {one: key for one, key in found.items() if key is not None}


def _read_v2(source: ByteSource) -> Mapping[str, bytes]:
    index = _document(source, "build_cache/_pgp/index.json")
    if index is None:
        return {}
    found = {one: _document(source, f"build_cache/_pgp/{one}.pub") for one in _fingerprints(index)}
    return {one: key for one, key in found.items() if key is not None}


def _fingerprints(index: bytes) -> Sequence[str]:
    with decoding("key index", index):
        wire = msgspec.json.decode(index, type=_KeyIndexWire)
    return [one for one in wire.keys if _FINGERPRINT.fullmatch(one)][:_MOST_KEYS]


def _blob_of(source: ByteSource, path: str) -> bytes | None:
    document = _document(source, path)
    if document is None:
        return None
    manifest = decode_manifest(document, kind="key manifest")
    if not manifest.blobs:
        return None
    digest = manifest.blobs[0].digest
    content = _document(source, blob_path(digest))
    if content is not None and _digest(content, digest.algorithm) != digest:
        raise MalformedDocument(
            f"the bytes are not those of {digest}",
            where=path,
            hint="the keys of this mirror are damaged: tell its maintainer",
        )
    return content


def _document(source: ByteSource, path: str) -> bytes | None:
    outcome = source.read(path, largest=LARGEST_KEY)
    if not isinstance(outcome, Fetched):
        return None
    with outcome.body as body:
        return bytes(body.data)
