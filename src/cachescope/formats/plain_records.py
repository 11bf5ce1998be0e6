"""Nodes as Spack 0.20 and newer write them, read without a decoder of JSON, several times faster than with one.

The text of such a node is cut at its keys. Each piece is known, or is learnt once: the parts that nodes have in common
(``RecordForm``, parameters, dependencies) by decoding a node that holds them, names and versions by their characters.
Of such pieces only one node can be put together, so the result is that of ``NodeDecoder``; a node that holds anything
else is left to it. What was read here can be written out again byte for byte by its form.
"""

import json
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from cachescope.formats.node_json import NodeDecoder, language_rank
from cachescope.model.errors import MalformedRecord, UserInputError
from cachescope.model.identity import DAG_HASH_LENGTH, DagHash, PackageName, parse_package_name
from cachescope.model.record_form import PATCHES, RecordForm, edge_text
from cachescope.model.spec import Architecture, Compiler, DependencyEdge, EdgeKind, VariantSet

__all__ = ["PlainEnds", "PlainForm", "PlainNode", "PlainRecords"]

_NAME = b'{"name":"'
_VERSION = b'","version":"'
_ARCH = b'","arch":{'
_PARAMETERS = b',"parameters":{'
_PACKAGE_HASH = b',"package_hash":"'
_OPENING = b'","dependencies":['
_FIRST_EDGE = b'{"name":"'
_EDGE_HASH = b'","hash":"'
_BETWEEN_EDGES = b']}},{"name":"'
_LAST_EDGE = b"]}}"
_END_OF_EDGES = b"]}}]"
_HASH = DAG_HASH_LENGTH + len('"}')
_PATCHES = b',"patches":['

# Asked of every record: a constant takes a third of the time of 'len'.
_LEN_NAME, _LEN_VERSION, _LEN_PACKAGE_HASH = len(_NAME), len(_VERSION), len(_PACKAGE_HASH)
_TO_PARAMETERS = len(_PARAMETERS) - 1
_LEN_OPENING, _LEN_FIRST_EDGE, _LEN_LAST_EDGE = len(_OPENING), len(_FIRST_EDGE), len(_LAST_EDGE)
_LEN_EDGE_HASH = len(_EDGE_HASH)

_FORMAT_5 = 5
_MOST_FORMS = 20_000  # some 40 MB
_CONTROL_OR_ESCAPE = re.compile(rb"[^ -\[\]-~]")
_HASH_TEXT = re.compile(rb"[a-z2-7]{32}")
_PRINTABLE = re.compile(rb"[ !#-\[\]-~]+")
"""What stands in a JSON string as it is."""

_PROBE_HASH = DagHash("a" * DAG_HASH_LENGTH)
_PROBE_DEPENDENCY = {
    "name": "probe",
    "hash": _PROBE_HASH,
    "parameters": {"deptypes": ["link"], "virtuals": []},
}
_UNREADABLE = (MalformedRecord, msgspec.MsgspecError, RecursionError, ValueError)

_rank = itemgetter(0)

_FormKey = tuple[bytes, bytes, bool, bytes]
"""Head, middle, whether there are dependencies, tail."""


class PlainForm(NamedTuple):
    """A form, and what all nodes of it say."""

    form: RecordForm | None
    """None for a node that was decoded, whose record is kept."""

    architecture: Architecture
    namespace: str
    spec_format: int
    compiler: Compiler | None
    """Of formats before 5."""


class PlainNode(NamedTuple):
    """What is a node's own."""

    known: PlainForm
    name: PackageName
    version: str
    variants: VariantSet
    package_hash: str
    compiler: Compiler | None
    places: list[int]
    """Its dependencies, in order."""


class _Use(NamedTuple):
    """How dependencies are used that end alike."""

    kind: EdgeKind
    language: int | None
    """Rank of the language that it compiles; None for what is no compiler."""


class PlainRecords:
    """Reads plain nodes of one document; what it must learn it asks of the decoder of that document."""

    def __init__(self, nodes: NodeDecoder, *, document_format: int) -> None:
        self._nodes = nodes
        self._format = document_format
        self._forms: dict[_FormKey, PlainForm | None] = {}
        self._names: dict[bytes, PackageName] = {}
        self._versions: dict[bytes, str] = {}
        self._variants: dict[bytes, VariantSet] = {}
        self._uses: dict[bytes, _Use] = {}
        self._compilers: dict[bytes, tuple[int, Compiler]] = {}
        """By the texts of dependencies, with the rank of the language; the lowest counts, of equal ones the first."""

    def ends(self) -> "PlainEnds":
        """Return a place for the dependencies of a batch."""
        return PlainEnds(self._edge)

    def read(self, dag_hash: DagHash, record: bytes, ends: "PlainEnds") -> PlainNode | None:
        """Read a node; None for one that has to be decoded. Its dependencies are numbered in ``ends``.

        Never raises for what a record holds.
        """
        find = record.find
        # Behind a key that is not found no other place is in order.
        version = find(_VERSION, _LEN_NAME)
        head = find(_ARCH, version + _LEN_VERSION)
        parameters = find(_PARAMETERS, head) + _TO_PARAMETERS
        middle = find(b"}", parameters) + 1
        package_hash = find(_PACKAGE_HASH, middle) + _LEN_PACKAGE_HASH
        end = find(b'"', package_hash)
        if not 0 < version < head < parameters < middle < package_hash < end or not record.startswith(_NAME):
            return None
        has_edges = record.startswith(_OPENING, end)
        tail = record.rfind(_END_OF_EDGES, end) + _LEN_LAST_EDGE if has_edges else end
        raw, between = record[parameters:middle], record[middle:package_hash]
        if between.startswith(_PATCHES):
            between = _with_patches_left_out(between, raw)
        key = record[head:parameters], between, has_edges, record[tail:-_HASH]
        known = self._forms.get(key) or self._form(key)
        text = record[_LEN_NAME:version]
        name = self._names.get(text) or self._name(text)
        text = record[version + _LEN_VERSION : head]
        number = self._versions.get(text) or self._version(text)
        variants = self._variants.get(raw) or self._variant_set(raw)
        hash_of_package = record[package_hash:end]
        if (
            known is None
            or not (name and number)
            or variants is None
            or not hash_of_package.rstrip(b"=").isalnum()
            or record[-_HASH:] != dag_hash.encode() + b'"}'
        ):
            return None
        places: list[int] = []
        compiler = known.compiler
        if has_edges:
            raw = record[end + _LEN_OPENING : tail]
            if not raw.startswith(_FIRST_EDGE):
                return None
            texts = raw[_LEN_FIRST_EDGE:-_LEN_LAST_EDGE].split(_BETWEEN_EDGES)
            numbered = ends.places(texts)
            if numbered is None:
                return None
            places = numbered
            if known.spec_format >= _FORMAT_5 and (
                ranked := list(filter(None, map(self._compilers.get, texts)))
            ):
                compiler = min(ranked, key=_rank)[1]
        return PlainNode(known, name, number, variants, hash_of_package.decode("ascii"), compiler, places)

    def _name(self, raw: bytes) -> PackageName | None:
        if not raw.isascii():
            return None
        try:
            return self._names.setdefault(raw, parse_package_name(raw.decode()))
        except UserInputError:
            return None

    def _version(self, raw: bytes) -> str | None:
        return self._versions.setdefault(raw, raw.decode()) if _PRINTABLE.fullmatch(raw) else None

    def _variant_set(self, raw: bytes) -> VariantSet | None:
        if not _is_plain(raw):
            return None
        try:
            return self._variants.setdefault(raw, self._nodes.variant_set(raw))
        except _UNREADABLE:
            return None

    def _edge(self, text: bytes) -> tuple[str, DagHash, EdgeKind] | None:
        """Read a dependency, as it stands between its brackets; None for what is not plain."""
        place = text.find(_EDGE_HASH)
        start = place + _LEN_EDGE_HASH
        stop = start + DAG_HASH_LENGTH
        name = self._names.get(text[:place]) or self._name(text[:place])
        use = text[stop:]
        known = self._uses.get(use) or self._use(use)
        if place < 0 or name is None or known is None or _HASH_TEXT.fullmatch(text, start, stop) is None:
            return None
        edge = name, DagHash(text[start:stop].decode()), known.kind
        if known.language is not None and text not in self._compilers:
            compiler = self._nodes.compiler_of([DependencyEdge(*edge)])
            if compiler is not None:
                self._compilers[text] = known.language, compiler
        return edge

    def _use(self, text: bytes) -> _Use | None:
        """Learn how a dependency may be used, by decoding one."""
        whole = _FIRST_EDGE + b"probe" + _EDGE_HASH + _PROBE_HASH.encode() + text + _LAST_EDGE
        try:
            edge = self._nodes.edge(whole)
        except MalformedRecord:
            return None
        if edge is None or edge_text(edge) != whole:
            return None
        return self._uses.setdefault(text, _Use(edge.kind, language_rank(edge.kind)))

    def _form(self, key: _FormKey) -> PlainForm | None:
        """Learn a form by decoding a node of it."""
        if key not in self._forms:
            if len(self._forms) >= _MOST_FORMS:
                return None
            self._forms[key] = self._learnt(key)
        return self._forms[key]

    def _learnt(self, key: _FormKey) -> PlainForm | None:
        head, between, has_edges, tail = key
        form = RecordForm(head, between, _OPENING if has_edges else b"", tail)
        if not all(map(_is_plain, (head, between.replace(PATCHES, b""), tail))):
            return None
        own = {
            "name": "probe",
            "version": "0",
            "parameters": {"patches": ["probe"]} if PATCHES in between else {},
            "package_hash": "probe",
            **({"dependencies": [_PROBE_DEPENDENCY]} if has_edges else {}),
            "hash": _PROBE_HASH,
        }
        record = form.record(
            name=b"probe",
            version=b"0",
            parameters=msgspec.json.encode(own["parameters"]),
            package_hash=b"probe",
            edges=[msgspec.json.encode(_PROBE_DEPENDENCY)] if has_edges else [],
            dag_hash=_PROBE_HASH.encode(),
        )
        try:
            node = json.loads(record, object_pairs_hook=_without_doubles)
            spec = self._nodes.decode(_PROBE_HASH, record, document_format=self._format, where="")
        except _UNREADABLE:
            return None
        if own != {one: node.get(one) for one in own} or ("patches" in node and PATCHES not in between):
            return None
        if spec.external or spec.build_spec is not None:
            return None  # these would be a form each
        return PlainForm(form, spec.architecture, spec.namespace, spec.spec_format, spec.compiler)


class PlainEnds(dict[bytes, int]):
    """Numbers the different dependencies of a batch, by their texts; what they say stands in columns."""

    def __init__(self, read: Callable[[bytes], tuple[str, DagHash, EdgeKind] | None]) -> None:
        super().__init__()
        self._read = read
        self._texts: list[bytes] = []
        """Of all numbers, empty for those that were read in another way."""

        self._by_identity: dict[int, int] = {}
        self._held: list[DependencyEdge] = []
        self.names: list[str] = []
        self.hashes: list[DagHash] = []
        self.kinds: list[EdgeKind] = []

    def places(self, texts: Sequence[bytes]) -> list[int] | None:
        """Return the numbers of dependencies; None where one is not plain, and then none of them is kept."""
        before = len(self.names)
        try:
            return list(map(self.__getitem__, texts))
        except KeyError:
            for text in self._texts[before:]:
                self.pop(text, None)
            for column in (self._texts, self.names, self.hashes, self.kinds):
                del column[before:]
            return None

    def add(self, edge: DependencyEdge) -> int:
        """Number a dependency that was read in another way: by a decoder, which makes equal ones once."""
        number = self._by_identity.get(id(edge))
        if number is None:
            number = self._by_identity[id(edge)] = self._append(b"", *edge)
            self._held.append(edge)
        return number

    def __missing__(self, text: bytes) -> int:
        edge = self._read(text)
        if edge is None:
            raise KeyError(text)
        number = self[text] = self._append(text, *edge)
        return number

    def _append(self, text: bytes, name: str, dag_hash: DagHash, kind: EdgeKind) -> int:
        self._texts.append(text)
        self.names.append(name)
        self.hashes.append(dag_hash)
        self.kinds.append(kind)
        return len(self.names) - 1


def _is_plain(text: bytes) -> bool:
    """Say whether every character of a piece of JSON stands for itself."""
    return _CONTROL_OR_ESCAPE.search(text) is None


def _with_patches_left_out(between: bytes, parameters: bytes) -> bytes:
    """Leave out the list of patches where it is that of the parameters, as it nearly always is."""
    stop = between.find(b"]") + 1
    start = parameters.find(_PATCHES[1:])
    if start < 0 or not parameters.startswith(between[1:stop], start):
        return between
    return _PATCHES[:-1] + PATCHES + between[stop:]


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object. Raises ``ValueError`` where a key stands twice: who reads it could mean either."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made
