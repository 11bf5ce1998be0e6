"""Where the real documents are, and small ones made by hand in every shape of the formats."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cachescope.formats.index_json import IndexDocument, open_index
from cachescope.formats.layouts import blob_path, index_locations, view_location
from cachescope.formats.manifest_json import NEWEST_INDEX_VERSION, decode_manifest, index_blob
from cachescope.model.errors import MalformedDocument, MalformedRecord
from cachescope.model.identity import DagHash, ViewName
from cachescope.model.spec import ConcreteSpec, compiler_text, variant_text
from cachescope.query.versions import version_key

_ROOT = Path(__file__).parents[2]
V3 = _ROOT / "examples" / "v3-crafted-signed"
V2 = _ROOT / "examples" / "v2-signed"
SEED = _ROOT / "examples" / "pages" / "py-pdm-backend.md"
EXPECTED = _ROOT / "tests" / "data"

ZLIB, GCC, CMAKE, OTHER_CMAKE = (DagHash(letter * 32) for letter in "zgcd")
ARCH = {"platform": "linux", "platform_os": "debian12", "target": "x86_64_v3"}


def shared(path: str) -> Path:
    """Return a folder of the reference data, or skip the test."""
    folder = _ROOT.parent / "shared" / path
    if not folder.exists():
        pytest.skip(f"the reference data 'shared/{path}' does not stand beside this checkout")
    return folder


def v3_index(mirror: Path, view: str | None = None) -> bytes:
    """Return the bytes of the default index of a v3 mirror, or of a view."""
    location = view_location(ViewName(view)) if view else index_locations()[0]
    manifest = decode_manifest((mirror / location.path).read_bytes(), kind="index manifest")
    return (mirror / blob_path(index_blob(manifest, newest=NEWEST_INDEX_VERSION).digest)).read_bytes()


def v2_index(mirror: Path) -> bytes:
    """Return the bytes of the index of a v2 mirror."""
    return (mirror / index_locations()[1].path).read_bytes()


def expected(name: str) -> dict[str, dict[str, Any]]:
    """Return what Spack itself says of each record of a bundled cache, by hash."""
    rows = json.loads((EXPECTED / name).read_text())["specs"]
    return {row["hash"]: row for row in rows}


def opened(data: bytes | str) -> IndexDocument:
    return open_index(memoryview(data.encode() if isinstance(data, str) else data))


def node(name: str = "zlib", **keys: Any) -> dict[str, Any]:
    """Return a flat node; ``keys`` are added or replaced."""
    parameters = {"build_system": "makefile", "pic": True}
    return {"name": name, "version": "1.3.1", "arch": dict(ARCH), "parameters": parameters, **keys}


def edge(name: str, dag_hash: str, *deptypes: str, virtuals: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a dependency as formats 4 and 5 write it."""
    parameters = {"deptypes": list(deptypes), "virtuals": list(virtuals)}
    return {"name": name, "hash": dag_hash, "parameters": parameters}


def index_text(records: Mapping[str, Any], version: str = "8") -> str:
    """Return an index document of records as they are given."""
    return json.dumps({"database": {"version": version, "installs": records}})


def index_of(nodes: Mapping[str, Any], version: str = "8") -> IndexDocument:
    """Open an index in which all these nodes are present."""
    records = {key: {"spec": one, "ref_count": 0, "in_buildcache": True} for key, one in nodes.items()}
    return opened(index_text(records, version))


def read(one: Any, version: str = "8", **others: Any) -> ConcreteSpec:
    """Decode one node, in an index of that version; ``others`` are further nodes by the first letter of the hash."""
    nodes = {letter * 32: other for letter, other in others.items()}
    return index_of({**nodes, ZLIB: one}, version).spec(ZLIB)


def read_all(data: bytes) -> int:
    """Read a document as a sync does, and everything that is shown of it; only errors of ours may come.

    Returns the count of records that could be decoded, -1 for a document that is refused.
    """
    try:
        document = opened(data)
    except MalformedDocument:
        return -1
    decoded = 0
    for dag_hash in document:
        try:
            spec = document.spec(dag_hash)
        except MalformedRecord as error:
            assert error.where.startswith(f"database.installs[{dag_hash}]")  # noqa: PT017 - must hold for each
            continue
        decoded += 1
        assert document.verification(spec).reason
        assert version_key(spec.version)
        assert compiler_text(spec.compiler, spec_format=spec.spec_format)
        assert all(variant_text(one, spec_format=spec.spec_format) for one in spec.variants.variants)
    assert document.header.version in {5, 6, 7, 8}
    return decoded


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy of a JSON value in which the place ``path`` holds ``value``."""
    if not path:
        return value
    result = copy.deepcopy(document)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result
