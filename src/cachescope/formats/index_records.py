"""The records of an index that was split: where their nodes are, and what one says of another."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from cachescope.formats.index_splitting import RecordTable
from cachescope.formats.record_decoder import Places
from cachescope.model.identity import DagHash, cut_hashes

__all__ = ["CutRecords", "DecodedRecords", "OtherRecords", "RecordWire", "Records", "VersionWire"]


class RecordWire(msgspec.Struct):
    """What an index says of a spec."""

    spec: msgspec.Raw
    in_buildcache: bool = False


class VersionWire(msgspec.Struct):
    """The version of a node, or of an index."""

    version: str


class _OldHashesWire(msgspec.Struct):
    build_hash: str = ""
    full_hash: str = ""


class Records(Protocol):
    """Where the nodes of a split index are."""

    are_hashes: bool
    """Whether it is known already that every key has the form of a hash."""

    def presence(self) -> dict[str, bool]:
        """Return all hashes in the order of the document, and whether their record says that a binary is there."""
        ...

    def node(self, dag_hash: str) -> memoryview | msgspec.Raw | None:
        """Return the JSON of a node; None where there is no such record."""
        ...

    def places(self, hashes: Sequence[DagHash]) -> Places | None:
        """Say where nodes stand in the document; None where that is not known."""
        ...


class DecodedRecords:
    """Records that were read with the whole document."""

    are_hashes = False

    def __init__(self, records: Mapping[str, RecordWire]) -> None:
        self._records = records

    def presence(self) -> dict[str, bool]:
        """Return what each record says, by hash."""
        return {key: record.in_buildcache for key, record in self._records.items()}

    def node(self, dag_hash: str) -> msgspec.Raw | None:
        """Return the JSON of a node."""
        record = self._records.get(dag_hash)
        return record.spec if record is not None else None

    def places(self, hashes: Sequence[DagHash]) -> None:
        """Where they stood in the document is not known."""
        del hashes


class CutRecords:
    """Records that were found by cutting: a few numbers each, while the bytes stay in the document."""

    are_hashes = True

    def __init__(self, data: memoryview, table: RecordTable) -> None:
        self._data = data
        self._table = table
        hashes = cut_hashes(table.hashes.decode("ascii"))
        # Of records with one hash the last one counts, as everywhere in JSON.
        self._rows: dict[str, int] = dict(zip(hashes, range(len(table.starts)), strict=True))

    def presence(self) -> dict[str, bool]:
        """Return what each record says, by hash."""
        present = map(self._table.present.__getitem__, self._rows.values())
        return dict(zip(self._rows, map(bool, present), strict=True))

    def node(self, dag_hash: str) -> memoryview | None:
        """Return the JSON of a node."""
        row = self._rows.get(dag_hash)
        if row is None:
            return None
        start = self._table.starts[row]
        return self._data[start : start + self._table.lengths[row]]

    def places(self, hashes: Sequence[DagHash]) -> Places:
        """Say where nodes stand."""
        rows = list(map(self._rows.__getitem__, hashes))
        return Places.of(
            hashes,
            starts=map(self._table.starts.__getitem__, rows),
            lengths=map(self._table.lengths.__getitem__, rows),
        )


class OtherRecords:
    """What the decoder of one record asks of the others. Knows no document: nothing here goes round in a circle.

    A command runs without the cycle collector, and reads hundreds of documents: each must go with its last reader.
    """

    def __init__(self, records: Records, hashes: Iterable[DagHash]) -> None:
        self._records = records
        self._hashes = hashes
        self._old_hashes: dict[tuple[str, str], str] | None = None
        self._version_decoder = msgspec.json.Decoder(VersionWire)
        self._versions: dict[str, str] = {}

    def node(self, dag_hash: str) -> memoryview | msgspec.Raw:
        """Return the JSON of a record. Raises ``KeyError`` where there is none."""
        node = self._records.node(dag_hash)
        if node is None:
            raise KeyError(dag_hash)
        return node

    def version_of(self, dag_hash: str) -> str:
        """Return the version of a record, for the compilers that others name by hash: few, so remembered."""
        known = self._versions.get(dag_hash)
        if known is None:
            known = ""
            node = self._records.node(dag_hash)
            if node is not None:
                try:
                    known = self._version_decoder.decode(node).version
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    known = ""  # that record is reported by itself; here only its version is not known
            self._versions[dag_hash] = known
        return known

    def resolve_old_hash(self, kind: str, value: str) -> str | None:
        """Find the record whose ``build_hash`` or ``full_hash`` this is (Spack 0.17 linked nodes by these)."""
        if self._old_hashes is None:
            self._old_hashes = {}
            decoder = msgspec.json.Decoder(_OldHashesWire)
            for key in self._hashes:
                try:
                    wire = decoder.decode(self.node(key))
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    continue  # reported when its own turn comes
                self._old_hashes["build_hash", wire.build_hash] = key
                self._old_hashes["full_hash", wire.full_hash] = key
        return self._old_hashes.get((kind, value))
