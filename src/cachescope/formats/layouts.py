"""Where things are in a mirror: pure path arithmetic.

Source: Spack 1.2 ``url_buildcache`` and 0.23 ``binary_distribution``. Paths are relative to the mirror's root::

    v3   v3/manifests/index/index.manifest.json           the default index (then a blob)
         v3/manifests/index/VIEW/index.manifest.json      a named view (Spack 1.2)
         v3/manifests/spec/NAME/NAME-VERSION-HASH.spec.manifest.json
         blobs/sha256/ab/abcdef...                        note: not below v3/
    v2   build_cache/index.json                           and index.json.hash beside it
         build_cache/A-C-CV-N-V-H.spec.json.sig           or .spec.json; A is platform-os-target, C CV the compiler
         build_cache/A/C-CV/N-V/A-C-CV-N-V-H.spack        the archive
"""

import re
from dataclasses import dataclass

from cachescope.model.archive import Binary
from cachescope.model.identity import Digest, ViewName
from cachescope.model.mirror import Layout

__all__ = [
    "LARGEST_KEY",
    "LARGEST_SPEC_DOCUMENT",
    "VIEWS_FOLDER",
    "IndexLocation",
    "archive_path",
    "blob_path",
    "index_locations",
    "mirror_root_of_index",
    "spec_document_paths",
    "spec_manifest_path",
    "view_location",
]

VIEWS_FOLDER = "v3/manifests/index"
LARGEST_SPEC_DOCUMENT = 4 * 1024 * 1024
"""Bytes: spec manifests have about two thousand, spec documents of layout v2 some hundred thousand."""

LARGEST_KEY = 1024 * 1024
"""Bytes of a public key, or of a list of keys."""


@dataclass(frozen=True, slots=True)
class IndexLocation:
    """The first document to ask for, and the layout that it proves."""

    layout: Layout
    view: ViewName | None
    path: str


def index_locations() -> tuple[IndexLocation, ...]:
    """Return what to probe at a mirror, in Spack's order: v3, then v2. Both count when both exist."""
    return (
        IndexLocation(Layout.V3, None, f"{VIEWS_FOLDER}/index.manifest.json"),
        IndexLocation(Layout.V2, None, "build_cache/index.json"),
    )


def view_location(view: ViewName) -> IndexLocation:
    """Return where a named view has its index manifest; views exist in layout v3 alone."""
    return IndexLocation(Layout.V3, view, f"{VIEWS_FOLDER}/{view}/index.manifest.json")


def blob_path(digest: Digest) -> str:
    """Return where a mirror keeps the bytes with this digest."""
    return f"blobs/{digest.algorithm}/{digest.hexadecimal[:2]}/{digest.hexadecimal}"


def spec_manifest_path(binary: Binary) -> str:
    """Return where a mirror of layout v3 has the manifest of a binary; views have none of their own."""
    return f"v3/manifests/spec/{_safe(binary.name)}/{_name_version_hash(binary)}.spec.manifest.json"


def spec_document_paths(binary: Binary) -> tuple[str, str]:
    """Return where a mirror of layout v2 has the spec document: signed, which counts where both are, and unsigned."""
    place = f"build_cache/{_architecture(binary)}-{_compiler(binary)}-{_name_version_hash(binary)}.spec.json"
    return f"{place}.sig", place


def archive_path(binary: Binary) -> str:
    """Return where a mirror of layout v2 has the archive of a binary."""
    architecture, compiler = _architecture(binary), _compiler(binary)
    folder = f"build_cache/{architecture}/{compiler}/{_safe(f'{binary.name}-{binary.version}')}"
    return f"{folder}/{architecture}-{compiler}-{_name_version_hash(binary)}.spack"


_UNSAFE = re.compile(r"[^A-Za-z0-9_+.-]")


def _safe(text: str) -> str:
    """Replace what Spack replaces in names of files, for example the ``/`` and ``=`` of a git version."""
    return _UNSAFE.sub("_", text)


def _name_version_hash(binary: Binary) -> str:
    return _safe(f"{binary.name}-{binary.version}-{binary.hash}")


def _architecture(binary: Binary) -> str:
    one = binary.architecture
    return _safe(f"{one.platform}-{one.os}-{one.target}")


def _compiler(binary: Binary) -> str:
    one = binary.compiler
    return _safe(f"{one.name}-{one.version}") if one is not None else "none-none"


_INDEX_TAIL = re.compile(r"/(?:v\d+/manifests/.*|blobs/.*|build_cache/.*)")


def mirror_root_of_index(url: str) -> str | None:
    """Cut the address of an index manifest or index blob back to its mirror; None for any other address.

    The last occurrence counts, so that a mirror inside a folder called ``blobs`` is found.
    """
    cuts = [found.start() for found in re.finditer(r"/(?=v\d+/manifests/|blobs/|build_cache/)", url)]
    if not cuts or _INDEX_TAIL.match(url, cuts[-1]) is None:
        return None
    return url[: cuts[-1]]
