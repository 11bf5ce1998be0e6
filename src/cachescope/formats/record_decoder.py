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
from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DAG_HASH_LENGTH, DagHash
from cachescope.model.record import Verdict
from cachescope.model.spec import ConcreteSpec
from cachescope.model.spec_records import Compress, SpecBatch, batch_of

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


class RecordDecoder:
    """Decodes the records of one document."""

    def __init__(self, nodes: NodeDecoder, *, document_format: int) -> None:
        self._nodes = nodes
        self._format = document_format

    def spec(self, dag_hash: DagHash, node: memoryview | msgspec.Raw | bytes) -> ConcreteSpec:
        """Decode one record. Raises ``MalformedRecord`` with its path."""
        return self._nodes.decode(
            dag_hash, node, document_format=self._format, where=f"{record_place(dag_hash)}.spec"
        )

    def batch(
        self,
        hashes: Iterable[DagHash],
        nodes: Iterable[memoryview | msgspec.Raw],
        compress: Compress,
    ) -> SpecBatch:
        """Decode and verify some records; those that cannot be read are in ``rejected``."""
        specs: list[ConcreteSpec] = []
        verdicts: list[Verdict] = []
        originals: list[bytes] = []
        rejected: list[MalformedRecord] = []
        for dag_hash, node in zip(hashes, nodes, strict=True):
            original = bytes(node)
            try:
                spec = self.spec(dag_hash, original)
            except MalformedRecord as error:
                rejected.append(error)
                continue
            specs.append(spec)
            verdicts.append(verify_record(dag_hash, original, spec_format=spec.spec_format).verdict)
            originals.append(original)
        return batch_of(specs, verdicts=verdicts, originals=compress(originals), rejected=rejected)
