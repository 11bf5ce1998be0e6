"""Decodes, verifies and compresses the records of an index by batches, in this process or in another one.

Besides a node itself this needs to know very little of the rest of the document: the version of a compiler that a node
names by hash, and in old indexes the record that an old hash meant. Another process asks for these (``Question``).
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import msgspec

from cachescope.formats.dag_hash import verify_record
from cachescope.formats.node_json import NodeDecoder
from cachescope.formats.plain_records import PlainForm, PlainNode, PlainRecords
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DAG_HASH_LENGTH, DagHash
from cachescope.model.record import Verdict
from cachescope.model.record_form import RecordForm
from cachescope.model.spec import Architecture, Compiler, ConcreteSpec, VariantSet
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
        text = self.joined
        return [
            DagHash(text[start : start + DAG_HASH_LENGTH]) for start in range(0, len(text), DAG_HASH_LENGTH)
        ]


class _Row(NamedTuple):
    """One spec of a batch: a value of each of its columns."""

    hashes: DagHash
    names: str
    versions: str
    namespaces: str
    architectures: Architecture
    compilers: Compiler | None
    variants: VariantSet
    package_hashes: str
    externals: bool
    build_specs: DagHash | None
    formats: int
    verdicts: Verdict
    forms: RecordForm | None
    edge_counts: int


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
        rows: list[_Row] = []
        originals: list[bytes] = []
        edge_ends = array("I")
        rejected: list[MalformedRecord] = []
        ends = self._plain.ends()
        for dag_hash, node in zip(hashes, nodes, strict=True):
            original = bytes(node)
            plain = self._plain.read(dag_hash, original, ends)
            if plain is not None:
                edge_ends.extend(plain.places)
                rows.append(_row_of_plain(dag_hash, plain, self._verdict(dag_hash, original, plain.known)))
                continue
            try:
                spec = self.spec(dag_hash, original)
            except MalformedRecord as error:
                rejected.append(error)
                continue
            edge_ends.extend(map(ends.add, spec.edges))
            rows.append(_row_of_spec(spec, self._verdict(dag_hash, original, spec)))
            originals.append(original)
        columns = list(zip(*rows, strict=True)) or [()] * len(_Row._fields)
        return SpecBatch(
            **dict(zip(_Row._fields, columns, strict=True)),
            originals=compress(originals),
            edge_ends=edge_ends,
            ends=ends.edges,
            rejected=rejected,
        )

    @staticmethod
    def _verdict(dag_hash: DagHash, original: bytes, of: PlainForm | ConcreteSpec) -> Verdict:
        return verify_record(dag_hash, original, spec_format=of.spec_format).verdict


def _row_of_plain(dag_hash: DagHash, plain: PlainNode, verdict: Verdict) -> _Row:
    known = plain.known
    return _Row(
        dag_hash,
        plain.name,
        plain.version,
        known.namespace,
        known.architecture,
        plain.compiler,
        plain.variants,
        plain.package_hash,
        False,
        None,
        known.spec_format,
        verdict,
        known.form,
        len(plain.places),
    )


def _row_of_spec(spec: ConcreteSpec, verdict: Verdict) -> _Row:
    return _Row(
        spec.hash,
        spec.name,
        spec.version,
        spec.namespace,
        spec.architecture,
        spec.compiler,
        spec.variants,
        spec.package_hash,
        spec.external,
        spec.build_spec,
        spec.spec_format,
        verdict,
        None,
        len(spec.edges),
    )
