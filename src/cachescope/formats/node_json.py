"""One node of an index or a spec document, in every shape since Spack 0.12.

A node of format 5, shortened::

    {"name":"cr-zlib","version":"1.3.1","arch":{"platform":"linux","platform_os":"debian12","target":"x86_64_v3"},
     "namespace":"crafted","parameters":{"build_system":"makefile","pic":true,"cflags":[],...},"package_hash":"...",
     "dependencies":[{"name":"gcc","hash":"3kkp...","parameters":{"deptypes":["build"],"virtuals":["c"]}}],
     "annotations":{"original_specfile_version":5},"hash":"4lm4..."}

Older shapes: ``compiler`` on the node (formats 1 to 4); dependencies with ``type`` (2, 3) or as an object keyed by name
(1); the whole node below its name (1); ``target`` as an object. Source: Spack 1.2 ``spec.SpecfileReaderBase`` and kin.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Annotated, Any

import msgspec

from cachescope.formats.decoding import below, describe
from cachescope.model.errors import MalformedRecord, UserInputError
from cachescope.model.identity import DagHash, PackageName, is_hash_text, parse_package_name
from cachescope.model.spec import (
    FLAG_NAMES,
    Architecture,
    Compiler,
    ConcreteSpec,
    DependencyEdge,
    Deptype,
    EdgeKind,
    Variant,
    VariantSet,
)

__all__ = ["NodeDecoder", "NodeWire", "Resolve", "language_rank"]

_DEPTYPES = {"build": Deptype.BUILD, "link": Deptype.LINK, "run": Deptype.RUN, "test": Deptype.TEST}
_LANGUAGES = ("c", "cxx", "fortran")
_MOST_KNOWN_EDGES = 100_000  # some 40 MB
_FORMAT_5 = 5
_SHOWN = 80
_NUL_ESCAPED = b"\\u0000"


class _TargetWire(msgspec.Struct):
    name: str


class _ArchWire(msgspec.Struct):
    platform: str
    platform_os: str
    target: str | _TargetWire


class _CompilerWire(msgspec.Struct):
    name: str
    version: str = ""


class _AnnotationsWire(msgspec.Struct):
    original_specfile_version: Annotated[int, msgspec.Meta(ge=1, le=_FORMAT_5)] = _FORMAT_5
    compiler: str | None = None


class _BuildSpecWire(msgspec.Struct):
    hash: str


class _ExternalWire(msgspec.Struct):
    path: str | None = None
    module: Any = None


class _DependencyWire(msgspec.Struct):
    name: str = ""
    hash: str = ""
    package_hash: str = ""
    full_hash: str = ""
    build_hash: str = ""
    parameters: msgspec.Raw = msgspec.Raw()
    type: list[str] = []


class _KindWire(msgspec.Struct):
    deptypes: list[str] = []
    virtuals: list[str] = []


class NodeWire(msgspec.Struct):
    """The keys that a catalogue reads; all others are ignored, and stay in the original record."""

    name: str = ""
    version: str = ""
    arch: msgspec.Raw = msgspec.Raw()
    compiler: _CompilerWire | None = None
    namespace: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    external: _ExternalWire | None = None
    patches: list[str] = []
    package_hash: str = ""
    dependencies: list[msgspec.Raw] | dict[str, msgspec.Raw] = []
    build_spec: _BuildSpecWire | None = None
    annotations: _AnnotationsWire | None = None


Resolve = Callable[[str, str], str | None]
"""From the kind of an old hash (``build_hash``, ``full_hash``) and its value to the DAG hash; None if unknown."""


class NodeDecoder:
    """Decodes the nodes of one document, and makes each distinct part once."""

    def __init__(self, *, hashes: Container[str], version_of: Callable[[str], str], resolve: Resolve) -> None:
        """``hashes`` are those of the document; ``version_of`` gives the version of a node of the same document by its hash, empty if it has none."""
        self._hashes = hashes
        self._version_of = version_of
        self._resolve = resolve
        self._node = msgspec.json.Decoder(NodeWire)
        self._nested = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._architectures: dict[bytes, Architecture] = {}
        self._variants: dict[bytes, VariantSet] = {}
        self._kinds: dict[bytes, EdgeKind] = {}
        self._known_edges: dict[bytes, DependencyEdge] = {}
        self._dependency = msgspec.json.Decoder(_DependencyWire)
        self._compilers: dict[str, Compiler] = {}
        self._names: dict[str, PackageName] = {}
        self.dropped_edges = 0

    def decode(
        self, dag_hash: DagHash, record: memoryview | msgspec.Raw | bytes, *, document_format: int, where: str
    ) -> ConcreteSpec:
        """Decode one node. Raises ``MalformedRecord`` with ``where`` and the path below it."""
        path = ""
        try:
            wire = self._wire(record, where)
            spec_format = document_format
            if document_format >= _FORMAT_5 and wire.annotations is not None:
                spec_format = wire.annotations.original_specfile_version
            path = ".arch"
            architecture = self._architecture(bytes(wire.arch))
            path = ".parameters"
            variants = self.variant_set(bytes(wire.parameters), wire.patches)
            path = ".dependencies"
            edges = self._edges(wire.dependencies, where)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem, inner = describe(error)
            raise MalformedRecord(problem, where=below(where + path, inner)) from error
        external = wire.external
        spec = ConcreteSpec(
            dag_hash,
            self._package_name(wire.name, f"{where}.name"),
            wire.version,
            wire.namespace,
            architecture,
            self._compiler(wire, edges, spec_format),
            variants,
            wire.package_hash,
            external is not None and bool(external.path or external.module),
            _build_spec(wire, where),
            spec_format,
            edges,
        )
        if _NUL_ESCAPED in bytes(record) and any("\0" in text for text in _texts(spec)):
            # Names, versions and values go into databases, paths and terminals, where it ends a text or is refused.
            raise MalformedRecord("a text holds a NUL", where=where)
        return spec

    def _wire(self, record: memoryview | msgspec.Raw | bytes, where: str) -> NodeWire:
        wire = self._node.decode(record)
        if not wire.name:
            # Format 1 puts the node below its name; the outer object then has this one key.
            nested = self._nested.decode(record)
            if len(nested) != 1:
                raise MalformedRecord("the node has no name", where=f"{where}.name")
            ((name, inner),) = nested.items()
            wire = self._node.decode(inner)
            wire.name = name
        if not wire.version:
            raise MalformedRecord("the node has no version, so it is not concrete", where=f"{where}.version")
        if not bytes(wire.arch):
            raise MalformedRecord("the node has no architecture", where=f"{where}.arch")
        return wire

    def _package_name(self, name: str, where: str) -> PackageName:
        """Read a name. Names become parts of paths, so one that is a path must not get through."""
        known = self._names.get(name)
        if known is None:
            try:
                known = self._names[name] = parse_package_name(name)
            except UserInputError as error:
                raise MalformedRecord(f"{name[:_SHOWN]!r} is not a package name", where=where) from error
        return known

    def _architecture(self, raw: bytes) -> Architecture:
        known = self._architectures.get(raw)
        if known is None:
            wire = msgspec.json.decode(raw, type=_ArchWire)
            target = wire.target if isinstance(wire.target, str) else wire.target.name
            known = self._architectures[raw] = Architecture(wire.platform, wire.platform_os, target)
        return known

    def variant_set(self, raw: bytes, patches: Sequence[str] = ()) -> VariantSet:
        """Decode parameters. Raises as msgspec does."""
        known = self._variants.get(raw)
        if known is None:
            known = self._variants[raw] = _decode_variants(raw, raw, [])
        if patches and not any(one.name == "patches" for one in known.variants):
            # Very old records name patches on the node alone.
            key = raw + b"+patches:" + ",".join(patches).encode()
            return self._variants.setdefault(key, _decode_variants(key, raw, patches))
        return known

    def _edges(
        self, entries: list[msgspec.Raw] | dict[str, msgspec.Raw], where: str
    ) -> tuple[DependencyEdge, ...]:
        if isinstance(entries, dict):
            # Format 1 keys the entries by name.
            found = [
                self._edge(bytes(raw), f"{where}.dependencies[{name}]", name) for name, raw in entries.items()
            ]
            return tuple(edge for edge in found if edge is not None)
        # An entry is written out again for each dependent: equal text is the same edge, decoded once.
        texts = list(map(bytes, entries))
        edges = list(map(self._known_edges.get, texts))
        if all(edges):
            return tuple(edges)  # type: ignore[arg-type] # none of them is None
        for position, text in enumerate(texts):
            if edges[position] is None:
                edges[position] = self._new_edge(text, f"{where}.dependencies[{position}]")
        return tuple(filter(None, edges))

    def _new_edge(self, text: bytes, where: str) -> DependencyEdge | None:
        edge = self._edge(text, where, "")
        if edge is not None:
            if len(self._known_edges) >= _MOST_KNOWN_EDGES:
                self._known_edges.clear()
            self._known_edges[text] = edge
        return edge

    def edge(self, text: bytes) -> DependencyEdge | None:
        """Decode one dependency. Raises ``MalformedRecord``."""
        return self._edge(text, "", "")

    def _edge(self, text: bytes, where: str, name: str) -> DependencyEdge | None:
        """Decode one dependency; None, and counted, for one that points nowhere."""
        place = where
        try:
            wire = self._dependency.decode(text)
            place = f"{where}.parameters"
            kind = self._kind(wire)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem, path = describe(error)
            raise MalformedRecord(problem, where=below(place, path)) from error
        child = wire.hash or self._old_hash(wire)
        if child is None:
            self.dropped_edges += 1
            return None
        name = name or wire.name
        if not name:
            raise MalformedRecord("the dependency has no name", where=where)
        if child not in self._hashes and not is_hash_text(child):
            raise MalformedRecord(f"{child[:_SHOWN]!r} is not a DAG hash", where=where)
        return DependencyEdge(self._package_name(name, f"{where}.name"), DagHash(child), kind)

    def _old_hash(self, wire: _DependencyWire) -> str | None:
        for kind, value in (("full_hash", wire.full_hash), ("build_hash", wire.build_hash)):
            if value:
                return self._resolve(kind, value)
        return ""

    def _kind(self, wire: _DependencyWire) -> EdgeKind:
        # Formats 2 and 3 list the types alone; no JSON object is spelt like such a key.
        raw = bytes(wire.parameters) or ",".join(wire.type).encode()
        known = self._kinds.get(raw)
        if known is None:
            parsed = msgspec.json.decode(raw, type=_KindWire) if wire.parameters else _KindWire(wire.type)
            types = Deptype(0)
            for name in parsed.deptypes:
                types |= _DEPTYPES.get(name, Deptype(0))
            known = self._kinds[raw] = EdgeKind(types, tuple(sorted(parsed.virtuals)))
        return known

    def _compiler(
        self, wire: NodeWire, edges: tuple[DependencyEdge, ...], spec_format: int
    ) -> Compiler | None:
        """Return the compiler by the rule of the format; never "the dependency called gcc"."""
        if spec_format < _FORMAT_5:
            if wire.compiler is not None:
                return self._shared_compiler(wire.compiler.name, wire.compiler.version)
            annotated = wire.annotations.compiler if wire.annotations is not None else None
            if not annotated or annotated == "None":
                return None
            name, _, version = annotated.partition("@")
            return self._shared_compiler(name, version.removeprefix("="))
        return self.compiler_of(edges)

    def compiler_of(self, edges: Sequence[DependencyEdge]) -> Compiler | None:
        """Return what the first of the languages is compiled with, since format 5."""
        best = len(_LANGUAGES)
        chosen: DependencyEdge | None = None
        for edge in edges:
            rank = language_rank(edge.kind) if edge.kind.virtuals else None
            if rank is not None and rank < best:
                best, chosen = rank, edge
        if chosen is None:
            return None
        return self.compiler_at(chosen)

    def compiler_at(self, edge: DependencyEdge) -> Compiler:
        """Return the compiler that is a record of the same document."""
        return self._shared_compiler(edge.name, self._version_of(edge.hash))

    def _shared_compiler(self, name: str, version: str) -> Compiler:
        text = f"{name}@{version}"
        known = self._compilers.get(text)
        if known is None:
            known = self._compilers[text] = Compiler(name, version)
        return known


def language_rank(kind: EdgeKind) -> int | None:
    """Return which compiler a dependency is: 0 for C, 1 for C++, 2 for Fortran alone, None for none."""
    for rank, language in enumerate(_LANGUAGES):
        if language in kind.virtuals:
            return rank
    return None


def _texts(spec: ConcreteSpec) -> Iterator[str]:
    """Yield all texts of a spec that are kept, the record itself left out."""
    yield from (spec.version, spec.namespace, spec.package_hash)
    yield from (spec.architecture.platform, spec.architecture.os, spec.architecture.target)
    if spec.compiler is not None:
        yield from (spec.compiler.name, spec.compiler.version)
    for name, value in (*spec.variants.variants, *spec.variants.flags):
        yield name
        yield from () if isinstance(value, bool) else (value,) if isinstance(value, str) else value
    for edge in spec.edges:
        yield from (edge.name, *edge.kind.virtuals)


def _build_spec(wire: NodeWire, where: str) -> DagHash | None:
    if wire.build_spec is None:
        return None
    if not is_hash_text(wire.build_spec.hash):
        raise MalformedRecord(
            f"{wire.build_spec.hash[:_SHOWN]!r} is not a DAG hash", where=f"{where}.build_spec.hash"
        )
    return DagHash(wire.build_spec.hash)


def _decode_variants(key: bytes, raw: bytes, patches: Sequence[str]) -> VariantSet:
    parameters = msgspec.json.decode(raw, type=dict[str, bool | str | int | float | list[str]])
    variants = [
        Variant(name, _variant_value(value))
        for name, value in sorted(parameters.items())
        if name not in FLAG_NAMES
    ]
    if patches:
        variants.append(Variant("patches", tuple(patches)))
    flags = []
    for name in FLAG_NAMES:
        value = parameters.get(name)
        items = (
            tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) and value else ()
        )
        if items:
            flags.append((name, items))
    return VariantSet(key, tuple(variants), tuple(flags))


def _variant_value(value: bool | str | float | list[str]) -> bool | str | tuple[str, ...]:  # noqa: FBT001 - a JSON value
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return tuple(value)
    text = str(value)
    # Old data holds booleans as text, in any case.
    return text.lower() == "true" if text.lower() in {"true", "false"} else text
