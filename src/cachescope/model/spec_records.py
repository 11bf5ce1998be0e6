"""What decoders give the catalogue: the records of one source, one by one or many at a time by columns.

Rows as objects cost more to make and to hand on than to decode; columns are made by one ``zip``, and edges that several
specs share stand once.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, compress, repeat
from typing import Protocol

from cachescope.model.errors import MalformedRecord
from cachescope.model.identity import DagHash
from cachescope.model.record import IndexHeader, Presence, Verdict
from cachescope.model.record_form import RecordForm
from cachescope.model.spec import Architecture, Compiler, ConcreteSpec, EdgeKind, VariantSet

__all__ = ["BATCH", "Compress", "SpecBatch", "SpecRecords", "batch_of", "batches"]

BATCH = 2000
"""Specs in one batch where nothing else decides."""

Compress = Callable[[Sequence[bytes]], list[bytes]]
"""Makes the stored form of original records: the catalogue chooses it, whoever decodes applies it."""


_ENDS = "end_names", "end_hashes", "end_kinds"
_OTHERWISE = {"originals", "edge_ends", "rejected", *_ENDS}
"""Columns that do not have one value for each spec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecBatch:
    """Some specs; all columns are equally long and in one order, but for originals and edges."""

    hashes: Sequence[DagHash]
    names: Sequence[str]
    versions: Sequence[str]
    namespaces: Sequence[str]
    architectures: Sequence[Architecture]
    compilers: Sequence[Compiler | None]
    variants: Sequence[VariantSet]
    package_hashes: Sequence[str]
    externals: Sequence[bool]
    build_specs: Sequence[DagHash | None]
    formats: Sequence[int]
    verdicts: Sequence[Verdict | None]
    """None where there is no record to recompute a hash from."""

    forms: Sequence[RecordForm | None]
    """With it a spec can be written out again as its record stood; None where the record itself is in ``originals``."""

    originals: Sequence[bytes]
    """The records without a form, as ``Compress`` made them, in their order: this column is shorter."""

    edge_counts: Sequence[int]
    """How many edges each spec has; the edges of all specs stand one after the other in ``edge_ends``."""

    edge_ends: Sequence[int]
    """For each edge its place in the columns of ends."""

    end_names: Sequence[str]
    """The different edges, again by columns."""

    end_hashes: Sequence[DagHash]
    end_kinds: Sequence[EdgeKind]

    rejected: Sequence[MalformedRecord]
    """Records of the batch that could not be read: they are in none of the columns."""

    def __len__(self) -> int:
        return len(self.hashes)

    def only(self, keep: Sequence[bool]) -> "SpecBatch":
        """Leave out the specs at some places, and their edges."""
        edge_ends = list(compress(self.edge_ends, chain.from_iterable(map(repeat, keep, self.edge_counts))))
        used = {end: place for place, end in enumerate(dict.fromkeys(edge_ends))}
        columns = {
            column.name: list(compress(getattr(self, column.name), keep))
            for column in fields(self)
            if column.name not in _OTHERWISE
        }
        has_original = [form is None for form in self.forms]
        return replace(
            self,
            **columns,
            originals=list(compress(self.originals, compress(keep, has_original))),
            edge_ends=[used[end] for end in edge_ends],
            **{name: list(map(getattr(self, name).__getitem__, used)) for name in _ENDS},
        )


class SpecRecords(Protocol):
    """The records of one source at one state, decoded only when asked.

    The catalogue asks ``presence`` for all, and ``batches`` only for hashes that it does not have in full yet, so cost
    follows what changed.
    """

    @property
    def header(self) -> IndexHeader:
        """Version and warnings of the document."""
        ...

    @property
    def presence(self) -> Mapping[DagHash, Presence]:
        """Every readable record, in the order of the document."""
        ...

    @property
    def rejected(self) -> Sequence[MalformedRecord]:
        """Records that could not even be split; their hashes are not in ``presence``."""
        ...

    def original(self, dag_hash: DagHash) -> bytes:
        """Return the node as it stood in the document (JSON)."""
        ...

    def samples(self, wanted: Sequence[DagHash]) -> Sequence[bytes]:
        """Return the originals of a few hundred of these that will be without a form, from here and there."""
        ...

    def batches(self, wanted: Sequence[DagHash], compress: Compress) -> Iterator[SpecBatch]:
        """Decode, verify and compress many records: each is in one batch, in the order of ``wanted``."""
        ...

    def __iter__(self) -> Iterator[DagHash]: ...

    def __len__(self) -> int: ...


def batch_of(
    specs: Sequence[ConcreteSpec],
    *,
    verdicts: Sequence[Verdict | None],
    originals: Sequence[bytes],
    rejected: Sequence[MalformedRecord] = (),
) -> SpecBatch:
    """Turn specs into columns; none has a form. Edges are told apart by identity: decoders share equal ones."""
    columns = tuple(zip(*specs, strict=True)) or ((),) * len(ConcreteSpec._fields)
    by_field = dict(zip(ConcreteSpec._fields, columns, strict=True))
    edges = list(chain.from_iterable(by_field["edges"]))
    different = dict(zip(map(id, edges), edges, strict=True))
    place = dict(zip(different, range(len(different)), strict=True))
    return SpecBatch(
        hashes=by_field["hash"],
        names=by_field["name"],
        versions=by_field["version"],
        namespaces=by_field["namespace"],
        architectures=by_field["architecture"],
        compilers=by_field["compiler"],
        variants=by_field["variants"],
        package_hashes=by_field["package_hash"],
        externals=by_field["external"],
        build_specs=by_field["build_spec"],
        formats=by_field["spec_format"],
        verdicts=verdicts,
        forms=[None] * len(specs),
        originals=originals,
        edge_counts=list(map(len, by_field["edges"])),
        edge_ends=array("I", map(place.__getitem__, map(id, edges))),
        end_names=[edge.name for edge in different.values()],
        end_hashes=[edge.hash for edge in different.values()],
        end_kinds=[edge.kind for edge in different.values()],
        rejected=rejected,
    )


def batches(wanted: Sequence[DagHash], size: int = BATCH) -> Iterator[Sequence[DagHash]]:
    """Cut what is wanted into batches."""
    return (wanted[start : start + size] for start in range(0, len(wanted), size))
