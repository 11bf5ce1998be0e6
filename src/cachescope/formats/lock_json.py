"""Lock files of environments, spec documents, and lists of hashes: what somebody wants to install.

A lock file (``spack.lock``), shortened::

    {"_meta":{"file-type":"spack-lockfile","lockfile-version":6,"specfile-version":5},
     "spack":{"version":"1.2.0.dev0","type":"release"},
     "roots":[{"hash":"4fop...","spec":"zlib-ng"}],
     "concrete_specs":{"4fop...":{...node...,"hash":"4fop..."}},
     "include_concrete":{"/path":{"roots":[...],"concrete_specs":{...}}}}

Versions 1 (Spack 0.12), 2 (0.15), 3 (0.17: keyed by build hash), 4 (0.18), 5 (0.22: ``include_concrete``), 6 (1.0), 7
(1.2: ``group`` of a root); source: Spack ``environment``. A spec document is ``{"spec":{"_meta":{"version":5},
"nodes":[root, ...]}}``, version 1 ``{"spec":[{"zlib":{...}}, ...]}``; both may stand in a signature's envelope. A list of
hashes is text, one a line, as ``spack find -L`` prints it, or a JSON list of texts.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cachescope.formats.decoding import below, decoding, describe, looks_like_html
from cachescope.formats.node_json import NodeDecoder
from cachescope.formats.signature import unwrap
from cachescope.model.errors import (
    CachescopeError,
    MalformedDocument,
    MalformedRecord,
    UnsupportedVersion,
    UserInputError,
)
from cachescope.model.identity import DagHash, is_hash_text
from cachescope.model.lockfile import LockFile
from cachescope.model.spec import ConcreteSpec

__all__ = ["NEWEST_LOCK_VERSION", "read_lock"]

NEWEST_LOCK_VERSION = 7

_NEWEST_FORMAT = 5
_LAST_WITH_BUILD_HASHES = 2
_FORMAT_OF_LOCK = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 5}
"""Spec format of a lock file's nodes, where the file does not say it."""

_HINT = "the file may be cut off or edited by hand; 'spack concretize --force' writes it anew"
_CONCRETIZE = "concretize first: 'spack concretize' writes the spack.lock beside it"
_SHOWN = 80
_CIRCLE_SHOWN = 8

_YAML = re.compile(rb"^(spack|env|specs|concretizer)\s*:", re.MULTILINE)
_HASH_KEY = re.compile(rb'"[a-z2-7]{32}"\s*:')
_TOP_KEY = re.compile(rb'"(?:roots|concrete_specs|_meta|nodes)"\s*:')
_HASH = re.compile(r"(?<![A-Za-z0-9])([a-z2-7]{32})(?![A-Za-z0-9])")
_HEADINGS = ("#", "--", "==>")
"""How lines begin that 'spack find' prints between specs, and comments."""


class _RootWire(msgspec.Struct):
    hash: str


class _PartWire(msgspec.Struct):
    roots: list[_RootWire]
    concrete_specs: dict[str, msgspec.Raw]


class _MetaWire(msgspec.Struct):
    version: int = msgspec.field(name="lockfile-version")
    spec_format: int | None = msgspec.field(default=None, name="specfile-version")


class _LockWire(msgspec.Struct):
    meta: _MetaWire = msgspec.field(name="_meta")
    roots: list[_RootWire]
    concrete_specs: dict[str, msgspec.Raw]
    include_concrete: dict[str, _PartWire] = {}


class _LockVersionWire(msgspec.Struct):
    meta: _MetaWire = msgspec.field(name="_meta")


class _SpecMetaWire(msgspec.Struct):
    version: int


class _NodesWire(msgspec.Struct):
    meta: _SpecMetaWire = msgspec.field(name="_meta")
    nodes: list[msgspec.Raw]


class _SpecWire(msgspec.Struct):
    spec: _NodesWire | list[msgspec.Raw]


class _ExternalWire(msgspec.Struct):
    path: str | None = None
    module: Any = None


class _IdentityWire(msgspec.Struct):
    name: str = ""
    version: str = ""
    hash: str = ""
    build_hash: str = ""
    full_hash: str = ""
    external: _ExternalWire | None = None


def read_lock(data: bytes, name: str) -> LockFile:
    """Read one document that names specs to install; ``name`` is what errors call it.

    Raises ``UserInputError`` for what is not concrete or names nothing, ``MalformedDocument`` for what breaks its format
    and ``UnsupportedVersion`` for a newer one; each with the file and the place in it.
    """
    try:
        return _read(data, name)
    except CachescopeError as error:
        error.where = f"{name}: {error.where}" if error.where else name
        error.hint = error.hint or _HINT
        raise


def _read(data: bytes, name: str) -> LockFile:
    text, _ = unwrap(data.removeprefix(b"\xef\xbb\xbf"))
    text = text.strip()
    if text[:1] == b"{":
        return _read_object(text, name)
    if text[:1] == b"[":
        with decoding("list of hashes", text):
            hashes = msgspec.json.decode(text, type=list[str])
        return _of_hashes(((f"[{place}]", one) for place, one in enumerate(hashes)), name)
    if not text:
        raise MalformedDocument(
            "the file is empty", hint="give a spack.lock, a spec.json or a list of hashes"
        )
    if looks_like_html(text):
        raise MalformedDocument(
            "this is a web page (HTML), not a lock file", hint="check how it was downloaded"
        )
    if _YAML.search(text) or name.endswith((".yaml", ".yml")):
        raise UserInputError("this is an environment that is not concretized (YAML)", hint=_CONCRETIZE)
    try:
        lines = text.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise MalformedDocument("this is neither JSON nor text", hint="give a spack.lock") from error
    given = ((f"line {number}", line.strip()) for number, line in enumerate(lines, start=1))
    return _of_hashes(
        ((place, line) for place, line in given if line and not line.startswith(_HEADINGS)), name
    )


def _of_hashes(lines: Iterable[tuple[str, str]], name: str) -> LockFile:
    found: dict[DagHash, None] = {}
    for place, line in lines:
        match = _HASH.search(line)
        if match is None:
            shown = line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
            raise UserInputError(
                f"{shown!r} holds no DAG hash",
                where=place,
                hint="give a spack.lock, a spec.json, or hashes of 32 characters as 'spack find -L' prints them",
            )
        found[DagHash(match[1])] = None
    if not found:
        raise UserInputError(
            "the file names no hash", hint="give a spack.lock, a spec.json or a list of hashes"
        )
    return LockFile(names=(name,), roots=tuple(found), specs={}, bare=tuple(found))


def _read_object(text: bytes, name: str) -> LockFile:
    with decoding("lock file", text, hint=_HINT):
        keys = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).keys()
    if "concrete_specs" in keys or "roots" in keys or "_meta" in keys:
        return _read_lock_file(text, name)
    if "database" in keys:
        raise UserInputError(
            "this is the index of a build cache, not a lock file",
            hint="read its mirror: cachescope sync FOLDER",
        )
    if {"spack", "specs"} & keys and "spec" not in keys:
        raise UserInputError("this is an environment that is not concretized", hint=_CONCRETIZE)
    if "spec" not in keys:
        raise MalformedDocument(
            "this JSON is neither a lock file ('concrete_specs') nor a spec document ('spec')",
            hint="give a spack.lock, a spec.json or a list of hashes",
        )
    return _read_spec_document(text, name)


def _read_lock_file(text: bytes, name: str) -> LockFile:
    with decoding("lock file", text, hint=_HINT):
        meta = msgspec.json.decode(text, type=_LockVersionWire).meta
    if meta.version > NEWEST_LOCK_VERSION or (meta.spec_format or 0) > _NEWEST_FORMAT:
        raise UnsupportedVersion(
            f"the lock file has version {meta.version} (specs of format {meta.spec_format}); this cachescope reads up to "
            f"{NEWEST_LOCK_VERSION} (format {_NEWEST_FORMAT})",
            hint="a newer Spack wrote it: update cachescope",
        )
    if meta.version not in _FORMAT_OF_LOCK:
        raise MalformedDocument(f"there is no lock file version {meta.version}", where="_meta", hint=_HINT)
    with decoding("lock file", text, hint=_HINT):
        wire = msgspec.json.decode(text, type=_LockWire)
    parts = [("", wire.roots, wire.concrete_specs)]
    parts += [
        (f"include_concrete[{path}].", part.roots, part.concrete_specs)
        for path, part in wire.include_concrete.items()
    ]
    _refuse_repeated(text, sum(len(specs) for _, _, specs in parts), 1 + len(parts) * 2)
    nodes = _Nodes(meta.spec_format or _FORMAT_OF_LOCK[meta.version])
    for place, _, specs in parts:
        for key, raw in specs.items():
            nodes.add(raw, f"{place}concrete_specs[{key[:_SHOWN]}]", key)
    roots = [
        nodes.root(root.hash, f"{place}roots[{position}].hash")
        for place, listed, _ in parts
        for position, root in enumerate(listed)
    ]
    return nodes.lock_file(name, roots)


def _read_spec_document(text: bytes, name: str) -> LockFile:
    with decoding("spec document", text):
        spec = msgspec.json.decode(text, type=_SpecWire).spec
    nodes_raw: Sequence[msgspec.Raw]
    if isinstance(spec, list):
        version, nodes_raw = 1, spec
    else:
        version, nodes_raw = spec.meta.version, spec.nodes
        _refuse_repeated(text, 0, 2)
    if version > _NEWEST_FORMAT:
        raise UnsupportedVersion(
            f"the spec document has version {version}; this cachescope reads up to {_NEWEST_FORMAT}",
            hint="a newer Spack wrote it: update cachescope",
        )
    if not nodes_raw or version < 1:
        raise MalformedDocument("the spec document holds no spec", where="spec.nodes")
    nodes = _Nodes(version)
    for position, raw in enumerate(nodes_raw):
        nodes.add(raw, f"spec.nodes[{position}]", "")
    return nodes.lock_file(name, [next(iter(nodes.records))])


def _refuse_repeated(text: bytes, hashes: int, tops: int) -> None:
    """Refuse a key that stands twice: readers disagree on which one counts. Looks closely only where the numbers are odd."""
    if len(_HASH_KEY.findall(text)) <= hashes and len(_TOP_KEY.findall(text)) <= tops:
        return

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            seen: set[str] = set()
            repeated = next(key for key, _ in found if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add() returns None, which is what is wanted
            raise MalformedDocument(
                f"the key {repeated[:_SHOWN]!r} stands twice in one object",
                hint="was the file merged by hand? 'spack concretize --force' writes it anew",
            )
        return made

    try:
        # Numbers are not looked at: one of more digits than Python converts is no error here.
        json.loads(text, object_pairs_hook=pairs, parse_int=str)
    except (ValueError, RecursionError) as error:  # in parts that are ignored otherwise
        problem = "not valid JSON text" if isinstance(error, ValueError) else "nested too deeply"
        raise MalformedDocument(f"the document is {problem}", hint=_HINT) from error


class _Nodes:
    """The nodes of one document: found first, so that edges and compilers can be resolved, then decoded."""

    def __init__(self, spec_format: int) -> None:
        self._format = spec_format
        self.records: dict[DagHash, tuple[msgspec.Raw, str]] = {}
        self._keys: dict[str, DagHash] = {}
        self._old_hashes: dict[tuple[str, str], DagHash] = {}
        self._versions: dict[str, str] = {}
        self._places: dict[DagHash, str] = {}
        self._warnings: list[str] = []
        self._identity = msgspec.json.Decoder(_IdentityWire)
        self._nested = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def add(self, raw: msgspec.Raw, where: str, key: str) -> None:
        """Take a node; ``key`` is what the document calls it, which is not its DAG hash in versions 2 and 3."""
        wire = self._identified(raw, where)
        text = wire.hash or key
        if not is_hash_text(text):
            raise MalformedRecord(f"{text[:_SHOWN]!r} is not a DAG hash", where=where, hint=_HINT)
        dag_hash = DagHash(text)
        if key not in {"", dag_hash, wire.build_hash} and self._format > _LAST_WITH_BUILD_HASHES:
            raise MalformedRecord(f"the node calls itself /{dag_hash}", where=where, hint=_HINT)
        self._keys[key or dag_hash] = dag_hash
        for kind, value in (("build_hash", wire.build_hash), ("full_hash", wire.full_hash)):
            if value:
                self._old_hashes[kind, value] = dag_hash
        if dag_hash in self.records:
            if wire.build_hash:
                self._warnings.append(
                    f"/{dag_hash} stands for several builds: Spack 0.17 could install one of them"
                )
            return
        self.records[dag_hash] = (raw, where)
        self._versions[dag_hash] = wire.version
        if wire.external is not None and (wire.external.path or wire.external.module):
            self._places[dag_hash] = wire.external.path or f"module {wire.external.module}"

    def _identified(self, raw: msgspec.Raw, where: str) -> _IdentityWire:
        try:
            wire = self._identity.decode(raw)
            if not wire.name:
                # Format 1 puts the node below its name.
                nested = self._nested.decode(raw)
                if len(nested) == 1:
                    wire = self._identity.decode(next(iter(nested.values())))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem, path = describe(error)
            raise MalformedRecord(problem, where=below(where, path), hint=_HINT) from error
        return wire

    def root(self, key: str, where: str) -> DagHash:
        """Return the DAG hash of a root."""
        found = self._keys.get(key)
        if found is None:
            raise MalformedDocument(
                f"{key[:_SHOWN]!r} is not among the concrete specs", where=where, hint=_HINT
            )
        return found

    def lock_file(self, name: str, roots: Iterable[DagHash]) -> LockFile:
        """Decode all nodes and put them in order."""
        decoder = NodeDecoder(
            hashes=self.records,
            version_of=lambda dag_hash: self._versions.get(dag_hash, ""),
            resolve=lambda kind, value: self._old_hashes.get((kind, value), value),
        )
        specs: dict[DagHash, ConcreteSpec] = {}
        for dag_hash, (raw, where) in self.records.items():
            spec = decoder.decode(dag_hash, raw, document_format=self._format, where=where)
            for position, edge in enumerate(spec.edges):
                if edge.hash not in self.records:
                    raise MalformedDocument(
                        f"the dependency {edge.name} /{edge.hash} is not among the specs",
                        where=f"{where}.dependencies[{position}]",
                        hint=_HINT,
                    )
            specs[dag_hash] = spec
        return LockFile(
            names=(name,),
            roots=tuple(dict.fromkeys(roots)),
            specs=_dependencies_first(specs),
            external_places=self._places,
            warnings=tuple(dict.fromkeys(self._warnings)),
        )


def _dependencies_first(specs: Mapping[DagHash, ConcreteSpec]) -> dict[DagHash, ConcreteSpec]:
    """Order the nodes. Raises ``MalformedDocument`` for a circle, which no hashing can make."""
    ordered: dict[DagHash, ConcreteSpec] = {}
    open_nodes: dict[DagHash, None] = {}
    for start in specs:
        if start in ordered:
            continue
        open_nodes[start] = None
        stack = [(start, iter(specs[start].edges))]
        while stack:
            dag_hash, edges = stack[-1]
            child = next((edge.hash for edge in edges if edge.hash not in ordered), None)
            if child is None:
                stack.pop()
                del open_nodes[dag_hash]
                ordered[dag_hash] = specs[dag_hash]
            elif child in open_nodes:
                path = [*open_nodes]
                circle: list[str] = [specs[one].name for one in [*path[path.index(child) :], child]]
                if len(circle) > _CIRCLE_SHOWN:
                    circle[_CIRCLE_SHOWN // 2 : -_CIRCLE_SHOWN // 2] = ["..."]
                raise MalformedDocument(
                    f"the dependencies form a circle: {' -> '.join(circle)}",
                    where=f"concrete_specs[{child}]",
                    hint="Spack writes no such file; 'spack concretize --force' writes it anew",
                )
            else:
                open_nodes[child] = None
                stack.append((child, iter(specs[child].edges)))
    return ordered
