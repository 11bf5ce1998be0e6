"""Decodes, verifies and compresses the records of an index by batches, in this process or in another one.

Besides a node itself this needs to know very little of the rest of the document: the version of a compiler that a node
names by hash, and in old indexes the record that an old hash meant. Another process asks for these (``Question``).
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, Self

import msgspec

from cachescope.formats.dag_hash import verify_record
from cachescope.formats.node_json import NodeDecoder
from cachescope.formats.plain_records import PlainEnds, PlainForm, PlainNode, PlainRecords
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash, cut_hashes
from cachescope.model.record import Verdict
from cachescope.model.record_form import is_hashed_text
from cachescope.model.spec import ConcreteSpec
from cachescope.model.spec_records import Compress, SpecBatch

__all__ = ["Places", "Question", "RecordDecoder", "WorkersLost", "record_place"]


class WorkersLost(Exception):
    """A process that decoded has died, as the kernel may let it where memory is short; its work is done again."""


def record_place(dag_hash: str) -> str:
    """Return the path of a record inside the document."""
    return f"database.installs[{dag_hash}]"


class Question(NamedTuple):
    """What the decoder of a node asks of the rest of the document."""

    kind: str
    """``version`` of the record with this hash, or the record with this ``build_hash`` or ``full_hash``."""

    value: str


class Places(NamedTuple):
    """Where the nodes of some records stand in the document."""

    joined: str
    """The hashes, one after the other."""

    starts: "array[int]"
    lengths: "array[int]"

    @classmethod
    def of(cls, hashes: Sequence[DagHash], *, starts: Iterable[int], lengths: Iterable[int]) -> Self:
        """Put the columns together."""
        return cls("".join(hashes), array("Q", starts), array("I", lengths))

    @property
    def hashes(self) -> list[DagHash]:
        """The hashes, in order."""
        return cut_hashes(self.joined)


class RecordDecoder:
    """Decodes the records of one document."""

    def __init__(self, nodes: NodeDecoder, *, document_format: int) -> None:
        self._nodes = nodes
        self._format = document_format
        self._plain = PlainRecords(nodes, document_format=document_format)

    def spec(self, dag_hash: DagHash, node: memoryview | msgspec.Raw | bytes) -> ConcreteSpec:
        """Decode one record. Raises ``MalformedRecord`` with its path."""
        return self._nodes.decode(
            dag_hash, node, document_format=self._format, where=f"{record_place(dag_hash)}.spec"
        )

    def is_plain(self, dag_hash: DagHash, original: bytes) -> bool:
        """Say whether a record has a form."""
        return self._plain.read(dag_hash, original, self._plain.ends()) is not None

    def batch(
        self,
        hashes: Iterable[DagHash],
        nodes: Iterable[memoryview | msgspec.Raw],
        compress: Compress,
    ) -> SpecBatch:
        """Decode and verify some records; those that cannot be read are in ``rejected``."""
        read = _ReadNodes(self._plain.ends())
        read_plain, keep = self._plain.read, read.keep
        for dag_hash, node in zip(hashes, nodes, strict=True):
            original = bytes(node)
            plain = read_plain(dag_hash, original, read.ends)
            if plain is None:
                self._decode(dag_hash, original, read)
            elif is_hashed_text(dag_hash, original):
                keep(dag_hash, plain)
            else:
                keep(dag_hash, plain, _verdict(dag_hash, original, plain.known.spec_format))
        return read.batch(compress)

    def _decode(self, dag_hash: DagHash, original: bytes, read: "_ReadNodes") -> None:
        try:
            spec = self.spec(dag_hash, original)
        except MalformedRecord as error:
            read.rejected.append(error)
        else:
            read.keep_decoded(spec, original, _verdict(dag_hash, original, spec.spec_format))


def _verdict(dag_hash: DagHash, original: bytes, spec_format: int) -> Verdict:
    return verify_record(dag_hash, original, spec_format=spec_format).verdict


class _ReadNodes:
    """What was read of a batch. Nearly all nodes are plain, verified and no externals, so only the others are noted."""

    def __init__(self, ends: PlainEnds) -> None:
        self.ends = ends
        self.rejected: list[MalformedRecord] = []
        self._hashes: list[DagHash] = []
        self._nodes: list[PlainNode] = []
        self._originals: list[bytes] = []
        self._verdicts: dict[int, Verdict] = {}
        self._externals: set[int] = set()
        self._build_specs: dict[int, DagHash | None] = {}

    def keep(self, dag_hash: DagHash, node: PlainNode, verdict: Verdict = Verdict.VERIFIED) -> None:
        """Keep a plain node."""
        if verdict is not Verdict.VERIFIED:
            self._verdicts[len(self._nodes)] = verdict
        self._hashes.append(dag_hash)
        self._nodes.append(node)

    def keep_decoded(self, spec: ConcreteSpec, original: bytes, verdict: Verdict) -> None:
        """Keep a node that was not plain, and its record."""
        place = len(self._nodes)
        if spec.external:
            self._externals.add(place)
        if spec.build_spec is not None:
            self._build_specs[place] = spec.build_spec
        known = PlainForm(None, spec.architecture, spec.namespace, spec.spec_format, None)
        edges = list(map(self.ends.add, spec.edges))
        own = spec.name, spec.version, spec.variants, spec.package_hash, spec.compiler
        self.keep(spec.hash, PlainNode(known, *own, edges), verdict)
        self._originals.append(original)

    def batch(self, compress: Compress) -> SpecBatch:
        """Turn what was kept into columns."""
        columns = zip(*self._nodes, strict=True) if self._nodes else ((),) * len(PlainNode._fields)
        known, names, versions, variants, package_hashes, compilers, edges = columns
        places = range(len(self._nodes))
        return SpecBatch(
            hashes=self._hashes,
            names=names,
            versions=versions,
            namespaces=[one.namespace for one in known],
            architectures=[one.architecture for one in known],
            compilers=compilers,
            variants=variants,
            package_hashes=package_hashes,
            externals=list(map(self._externals.__contains__, places)),
            build_specs=list(map(self._build_specs.get, places)),
            formats=[one.spec_format for one in known],
            verdicts=[self._verdicts.get(place, Verdict.VERIFIED) for place in places],
            forms=[one.form for one in known],
            originals=compress(self._originals),
            edge_counts=list(map(len, edges)),
            edge_ends=array("I", chain.from_iterable(edges)),
            end_names=self.ends.names,
            end_hashes=self.ends.hashes,
            end_kinds=self.ends.kinds,
            rejected=self.rejected,
        )
