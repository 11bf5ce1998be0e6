"""What a client asks of a mirror, read from the path: the paths that Spack asks for, and no others.

::

    v3/layout.json                                      v3/manifests/index/index.manifest.json
    v3/manifests/spec/NAME/NAME-VERSION-HASH.spec.manifest.json
    v3/manifests/key/keys.manifest.json                 v3/manifests/key/FINGERPRINT.key.manifest.json
    blobs/sha256/ab/abcdef...
    build_cache/index.json                              build_cache/index.json.hash
    build_cache/A-C-CV-N-V-H.spec.json.sig (or without) build_cache/A/C-CV/N-V/A-C-CV-N-V-H.spack
    build_cache/_pgp/index.json                         build_cache/_pgp/FINGERPRINT.pub

A path is matched whole, by characters that cannot leave a folder. What is asked of a source is made anew of what the
catalogue knows of the spec, and has to be the same text; the path itself is never handed on.
"""

import enum
import re
from dataclasses import dataclass

from cachescope.model.errors import UserInputError
from cachescope.model.identity import DagHash, Digest, parse_digest
from cachescope.model.mirror import Layout

__all__ = ["Asked", "BlobAsked", "Fixed", "KeyAsked", "SpecAsked", "read_mirror_path"]


class Fixed(enum.Enum):
    """Documents that every mirror of a layout has, by their paths."""

    LAYOUT = "v3/layout.json"
    INDEX_MANIFEST = "v3/manifests/index/index.manifest.json"
    KEY_INDEX_MANIFEST = "v3/manifests/key/keys.manifest.json"
    V2_INDEX = "build_cache/index.json"
    V2_INDEX_HASH = "build_cache/index.json.hash"
    V2_KEY_INDEX = "build_cache/_pgp/index.json"


@dataclass(frozen=True, slots=True)
class SpecAsked:
    """The manifest, the spec document or the archive of a spec."""

    hash: DagHash
    layout: Layout
    path: str
    is_archive: bool = False
    """Of layout v2; in v3 archives are blobs."""


@dataclass(frozen=True, slots=True)
class KeyAsked:
    """A public key: its manifest in v3, itself in v2."""

    fingerprint: str
    layout: Layout


@dataclass(frozen=True, slots=True)
class BlobAsked:
    """Bytes by their digest."""

    digest: Digest


Asked = Fixed | SpecAsked | KeyAsked | BlobAsked

_PART = r"[A-Za-z0-9_+.-]{1,400}"
_HASH = r"(?P<hash>[a-z2-7]{32})"
_FINGERPRINT = r"(?P<fingerprint>[0-9A-Fa-f]{40,64})"
_BLOB = re.compile(r"blobs/(?P<algorithm>[a-z0-9]{1,16})/(?P<start>[0-9a-f]{2})/(?P<digest>[0-9a-f]{2,128})")
_V3_SPEC = re.compile(rf"v3/manifests/spec/{_PART}/{_PART}-{_HASH}\.spec\.manifest\.json")
_V3_KEY = re.compile(rf"v3/manifests/key/{_FINGERPRINT}\.key\.manifest\.json")
_V2_SPEC = re.compile(rf"build_cache/{_PART}-{_HASH}\.spec\.json(?:\.sig)?")
_V2_ARCHIVE = re.compile(rf"build_cache/{_PART}/{_PART}/{_PART}/{_PART}-{_HASH}\.spack")
_V2_KEY = re.compile(rf"build_cache/_pgp/{_FINGERPRINT}\.pub")
_FIXED = {one.value: one for one in Fixed}
_LONGEST = 2000


def read_mirror_path(path: str) -> Asked | None:  # noqa: PLR0911 - one row for each kind of path
    """Understand a path below the root of a mirror; None for every other one. ``..`` is no part of any."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    if len(path) > _LONGEST or ".." in path.split("/"):
        return None
    if found := _BLOB.fullmatch(path):
        return _blob(found)
    if found := _V3_SPEC.fullmatch(path):
        return SpecAsked(DagHash(found["hash"]), Layout.V3, path)
    if found := _V2_SPEC.fullmatch(path):
        return SpecAsked(DagHash(found["hash"]), Layout.V2, path)
    if found := _V2_ARCHIVE.fullmatch(path):
        return SpecAsked(DagHash(found["hash"]), Layout.V2, path, is_archive=True)
    for pattern, layout in ((_V3_KEY, Layout.V3), (_V2_KEY, Layout.V2)):
        if found := pattern.fullmatch(path):
            return KeyAsked(found["fingerprint"], layout)
    return None


def _blob(found: re.Match[str]) -> BlobAsked | None:
    try:
        digest = parse_digest(found["algorithm"], found["digest"])
    except UserInputError:
        return None
    return BlobAsked(digest) if digest.hexadecimal.startswith(found["start"]) else None
