"""What runs in the processes that split and decode a large index: started by ``record_workers``, ends with it.

A process maps the document by itself, so no record travels to it. It is told what to do by pickled messages over a
socket, and answers in the same way; both ends are this program. It imports neither database nor network.
"""

import gc
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from cachescope.formats.index_splitting import split_range
from cachescope.formats.node_json import NodeDecoder, Resolve
from cachescope.formats.record_decoder import Places, Question, RecordDecoder
from cachescope.model.spec import Compiler, DependencyEdge
from cachescope.model.spec_records import Compress, SpecBatch
from cachescope.transport.body import HeldBody

__all__ = ["DecodeOrder", "PackedBatch", "SplitOrder", "main", "unpacked"]


class SplitOrder(NamedTuple):
    """Split a range of the document; answered by a ``RecordTable`` or None."""

    start: int
    stop: int


class DecodeOrder(NamedTuple):
    """Decode batches; each is answered by a ``PackedBatch``, between which there may be questions."""

    batches: Sequence[Places]
    document_format: int
    compress: Compress


class PackedBatch(NamedTuple):
    """A batch on its way: parts that many specs share are sent once, and numbered."""

    columns: dict[str, Any]
    """Columns of ``SpecBatch`` as they are."""

    shared: Mapping[str, Sequence[int]]
    """Columns of numbers into all parts that this process has sent so far."""

    parts: Sequence[object]
    """Parts that were not sent before."""

    dropped_edges: int


_SHARED = ("architectures", "compilers", "variants", "forms", "end_kinds")
_PLAIN = (
    *("hashes", "names", "versions", "namespaces", "package_hashes", "externals", "build_specs", "formats"),
    *("verdicts", "originals", "edge_counts", "edge_ends", "end_names", "end_hashes", "rejected"),
)


@dataclass(frozen=True, slots=True)
class _CompilerByHash(Compiler):
    """A compiler whose version is that of another record, and here still the hash of it.

    A process that asked for the version would wait until the one that writes has time for it; there it is looked up.
    """


class _RemoteNodes(NodeDecoder):
    """Decodes nodes of a document of which it sees single records."""

    def __init__(self, *, resolve: Resolve) -> None:
        super().__init__(hashes=(), version_of=lambda _: "", resolve=resolve)
        self._by_hash: dict[tuple[str, str], Compiler] = {}

    def compiler_at(self, edge: DependencyEdge) -> Compiler:
        key = edge.name, edge.hash
        known = self._by_hash.get(key)
        if known is None:
            known = self._by_hash[key] = _CompilerByHash(*key)
        return known


class _Parts:
    """Numbers the parts that were sent, by identity: the decoder makes equal ones once, and keeps them."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._held: list[object] = []

    def numbers(self, column: Iterable[object], new: list[object]) -> list[int]:
        """Number a column; parts that were not numbered before are added to ``new``."""
        column = list(column)
        known = self._numbers
        for identity, part in dict(zip(map(id, column), column, strict=True)).items():
            if identity not in known:
                known[identity] = len(known)
                self._held.append(part)
                new.append(part)
        return list(map(known.__getitem__, map(id, column)))


def _packed(batch: SpecBatch, parts: _Parts, dropped_edges: int) -> PackedBatch:
    new: list[object] = []
    shared = {name: parts.numbers(getattr(batch, name), new) for name in _SHARED}
    return PackedBatch(
        columns={name: getattr(batch, name) for name in _PLAIN},
        shared=shared,
        parts=new,
        dropped_edges=dropped_edges,
    )


def unpacked(packed: PackedBatch, parts: list[Any], answer: Callable[[Question], str | None]) -> SpecBatch:
    """Put a batch together again; ``parts`` are those that the same process sent so far, to which new ones are added.

    ``answer`` is asked for the versions of compilers.
    """
    parts.extend(
        Compiler(part.name, answer(Question("version", part.version)) or "")
        if isinstance(part, _CompilerByHash)
        else part
        for part in packed.parts
    )
    shared = {name: list(map(parts.__getitem__, numbers)) for name, numbers in packed.shared.items()}
    return SpecBatch(**packed.columns, **shared)


class _Worker:
    """Carries out orders on one document."""

    def __init__(self, connection: "Connection[Any, Any]", document: HeldBody) -> None:
        self._connection = connection
        self._document = document
        self._data = document.data
        self._released = 0
        self._answers: dict[Question, str | None] = {}

    def run(self) -> None:
        """Carry out orders until nobody gives any."""
        while True:
            order: SplitOrder | DecodeOrder = self._connection.recv()
            if isinstance(order, SplitOrder):
                self._released = order.start
                self._connection.send(split_range(self._data, order.start, order.stop, passed=self._passed))
            else:
                self._decode(order)

    def _passed(self, position: int) -> None:
        self._document.release(self._released, position)
        self._released = position

    def _decode(self, order: DecodeOrder) -> None:
        nodes = _RemoteNodes(resolve=self._ask)
        decoder = RecordDecoder(nodes, document_format=order.document_format)
        parts = _Parts()
        for places in order.batches:
            dropped = nodes.dropped_edges
            starts, lengths = places.starts, places.lengths
            batch = decoder.batch(
                places.hashes,
                (self._data[start : start + length] for start, length in zip(starts, lengths, strict=True)),
                order.compress,
            )
            self._connection.send(_packed(batch, parts, nodes.dropped_edges - dropped))
            self._document.release(min(starts), max(map(sum, zip(starts, lengths, strict=True))))

    def _ask(self, kind: str, value: str) -> str | None:
        question = Question(kind, value)
        if question not in self._answers:
            self._connection.send(question)
            self._answers[question] = self._connection.recv()
        return self._answers[question]


def main() -> None:
    """Serve one document: the descriptors of the socket and of the document are the arguments of the program."""
    gc.disable()  # as in the process that writes: records hold no cycles, and walking over them takes longer than decoding
    socket, document = map(int, sys.argv[1:])
    with Connection(socket) as connection, HeldBody.mapped(document) as body:
        try:
            _Worker(connection, body).run()
        except (EOFError, ConnectionError):
            return  # the sync has ended, or was killed
