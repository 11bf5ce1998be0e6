"""The index document of a mirror (``database``), versions 5 to 8.

::

    {"database":{"version":"8","installs":{"<hash>":{"spec":{...node...},"ref_count":1,"in_buildcache":true}}}}

Written by Spack 0.15 (5), 0.17 to 0.20 (6), 0.21 to 0.23 (7), 1.0 and newer (8); source: Spack 1.2
``database.Database``. An index lists the whole closure of what a mirror holds: only records with ``in_buildcache``
are present, the others are mentioned; version 5 does not say.

The document is split once, without decoding the nodes; a node is decoded when it is asked for. Large ones are split and
decoded by several processes, where the caller has some (``RecordWorkers``).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, cast

import msgspec

from cachescope.formats.dag_hash import verify_record
from cachescope.formats.decoding import below, decoding, describe
from cachescope.formats.index_records import (
    CutRecords,
    DecodedRecords,
    OtherRecords,
    Records,
    RecordWire,
    VersionWire,
)
from cachescope.formats.index_splitting import RecordTable, cut, find_installs, joined, split_range
from cachescope.formats.manifest_json import NEWEST_INDEX_VERSION
from cachescope.formats.node_json import NodeDecoder
from cachescope.formats.record_decoder import Places, Question, RecordDecoder, WorkersLost, record_place
from cachescope.model.errors import MalformedDocument, MalformedRecord, UnsupportedVersion
from cachescope.model.identity import DagHash, is_hash_text
from cachescope.model.record import IndexHeader, Presence, Verification
from cachescope.model.spec import ConcreteSpec
from cachescope.model.spec_records import Compress, SpecBatch, batches

__all__ = ["IndexDocument", "RecordWorkers", "open_index"]


_FORMAT_OF_INDEX = {"0.9.3": 1, "5": 1, "6": 3, "7": 4, "8": 5}
"""Spec format in which an index of that version holds its nodes; 8 annotates nodes that are older."""

_LAST_WITHOUT_PRESENCE = 5
_HINT = "the file may be truncated or half-written; 'spack buildcache update-index' writes it anew"


class _DatabaseWire(msgspec.Struct):
    version: str
    installs: dict[str, RecordWire]


class _DocumentWire(msgspec.Struct):
    database: _DatabaseWire


class _RawDatabaseWire(msgspec.Struct):
    version: str
    installs: dict[str, msgspec.Raw]


class _RawDocumentWire(msgspec.Struct):
    database: _RawDatabaseWire


class _VersionDocumentWire(msgspec.Struct):
    database: VersionWire


_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SHOWN = 80
_WORTH_CUTTING = 64 * 1024 * 1024
_WORTH_SHARING = 8000
"""Records from which on several processes gain more than it costs to hand on what they made."""

_SHARED_BATCH = 4000
_SAMPLES = 500
_LOOKED_AT = 20


class RecordWorkers(Protocol):
    """Processes that see the same document. Their methods raise ``WorkersLost`` when one of them dies."""

    count: int

    def split(self, ranges: Sequence[tuple[int, int]]) -> list[RecordTable | None]:
        """Split ranges of the document, one in each process."""
        ...

    def decode(
        self,
        places: Sequence[Places],
        *,
        document_format: int,
        compress: Compress,
        answer: Callable[[Question], str | None],
    ) -> Iterator[tuple[SpecBatch, int]]:
        """Decode batches, in their order, each with the number of its edges that point nowhere.

        ``answer`` is asked what a process must know of other records.
        """
        ...


def open_index(
    data: memoryview, workers: RecordWorkers | None = None, *, release: Callable[[], None] | None = None
) -> "IndexDocument":
    """Split an index document.

    ``release`` is called now and then where nothing of ``data`` is in use: pages of a mapping may leave memory.

    Raises ``UnsupportedVersion`` for a version above 8 and ``MalformedDocument`` for anything that is no index.
    Bytes after the first JSON value are accepted with a warning, as Spack accepts them.
    """
    document = _split_by_cuts(data, workers, release)
    if document is not None:
        return document
    warnings: tuple[str, ...] = ()
    try:
        return _split(data, warnings, release)
    except msgspec.DecodeError as error:
        trailing = _TRAILING.search(str(error))
        if trailing is not None:
            end = int(trailing[1]) - 1  # counted from 1
            warnings = (f"{len(data) - end} bytes after the end of the JSON document were ignored",)
            data = data[:end]
    except (RecursionError, UnicodeDecodeError):
        pass
    _refuse_unsupported(data)
    with decoding("index", data, hint=_HINT):
        try:
            return _split(data, warnings)
        except msgspec.ValidationError:
            # One record of the wrong shape must not hide the rest: split more coarsely.
            return _split_coarsely(data, warnings)


def _split_by_cuts(
    data: memoryview, workers: RecordWorkers | None, release: Callable[[], None] | None
) -> "IndexDocument | None":
    """Split a large document that looks as Spack writes it; None for others.

    In one process this takes twice as long as reading all at once, and a seventh of the memory.
    """
    if workers is None and len(data) < _WORTH_CUTTING:
        return None
    installs = find_installs(data)
    if installs is None or installs.version not in _FORMAT_OF_INDEX:
        return None
    tables: list[RecordTable | None] = []
    if workers is not None:
        with suppress(WorkersLost):
            tables = workers.split(cut(data, installs, workers.count))
    tables = tables or [split_range(data, installs.start, installs.stop)]
    whole = [table for table in tables if table is not None]
    if len(whole) < len(tables):
        return None
    return IndexDocument(installs.version, CutRecords(data, joined(whole)), [], (), workers, release=release)


def _split(
    data: memoryview, warnings: tuple[str, ...], release: Callable[[], None] | None = None
) -> "IndexDocument":
    database = msgspec.json.decode(data, type=_DocumentWire).database
    records = DecodedRecords(database.installs)
    document = IndexDocument(database.version, records, [], warnings, release=release)
    if release is not None:
        release()
    return document


def _split_coarsely(data: memoryview, warnings: tuple[str, ...]) -> "IndexDocument":
    database = msgspec.json.decode(data, type=_RawDocumentWire).database
    decoder = msgspec.json.Decoder(RecordWire)
    records: dict[str, RecordWire] = {}
    rejected: list[MalformedRecord] = []
    for key, raw in database.installs.items():
        try:
            records[key] = decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem, path = describe(error)
            rejected.append(MalformedRecord(problem, where=below(record_place(key), path)))
    return IndexDocument(database.version, DecodedRecords(records), rejected, warnings)


def _refuse_unsupported(data: memoryview) -> None:
    """Name a newer version even if the rest has a shape that is not known here."""
    try:
        _format_of(msgspec.json.decode(data, type=_VersionDocumentWire).database.version)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return


def _format_of(version: str) -> int:
    known = _FORMAT_OF_INDEX.get(version)
    if known is not None:
        return known
    if _NUMBER.fullmatch(version) and int(version) > NEWEST_INDEX_VERSION:
        raise UnsupportedVersion(
            f"the index has version {version}; this cachescope reads up to {NEWEST_INDEX_VERSION}",
            hint="a newer Spack wrote it: update cachescope",
        )
    raise MalformedDocument(
        f"the index has the unknown version {version[:_SHOWN]!r}", hint="known are 5 to 8"
    )


class IndexDocument:
    """A split index; fulfils ``SpecRecords``. Reads from the buffer that it was opened on."""

    def __init__(
        self,
        version: str,
        records: Records,
        rejected: list[MalformedRecord],
        warnings: tuple[str, ...],
        workers: RecordWorkers | None = None,
        *,
        release: Callable[[], None] | None = None,
    ) -> None:
        self._release = release
        self._format = _format_of(version)
        number = _LAST_WITHOUT_PRESENCE if version == "0.9.3" else int(version)
        self._header = IndexHeader(version=number, warnings=warnings)
        self._records = records
        self._workers = workers
        self._rejected = rejected
        self._presence = self._read_presence()
        self._others = OtherRecords(records, self._presence)
        self._nodes = NodeDecoder(
            hashes=self._presence, version_of=self._others.version_of, resolve=self._others.resolve_old_hash
        )
        self._decoder = RecordDecoder(self._nodes, document_format=self._format)
        self._dropped_by_workers = 0

    def _read_presence(self) -> dict[DagHash, Presence]:
        present = self._records.presence()
        for key in [] if self._records.are_hashes else [key for key in present if not is_hash_text(key)]:
            del present[key]
            self._rejected.append(
                MalformedRecord(
                    f"{key[:_SHOWN]!r} is not a DAG hash (32 characters out of a-z and 2-7)",
                    where="database.installs",
                )
            )
        hashes = cast("Iterable[DagHash]", present)
        if self._header.version == _LAST_WITHOUT_PRESENCE:
            return dict.fromkeys(hashes, Presence.UNSTATED)
        states = (Presence.MENTIONED, Presence.PRESENT)
        return dict(zip(hashes, map(states.__getitem__, present.values()), strict=True))

    @property
    def header(self) -> IndexHeader:
        """Version of the index and warnings so far."""
        dropped = self._nodes.dropped_edges + self._dropped_by_workers
        if not dropped:
            return self._header
        warning = f"{dropped} dependencies point to hashes that no record has"
        return replace(self._header, warnings=(*self._header.warnings, warning))

    @property
    def presence(self) -> Mapping[DagHash, Presence]:
        """All records that could be split."""
        return self._presence

    @property
    def rejected(self) -> Sequence[MalformedRecord]:
        """Records that could not be split."""
        return self._rejected

    def spec(self, dag_hash: DagHash) -> ConcreteSpec:
        """Decode one record."""
        return self._decoder.spec(dag_hash, self._others.node(dag_hash))

    def original(self, dag_hash: DagHash) -> bytes:
        """Return the node's JSON as it stands in the index."""
        return bytes(self._others.node(dag_hash))

    def verification(self, spec: ConcreteSpec) -> Verification:
        """Recompute the hash of a decoded record."""
        return verify_record(spec.hash, self.original(spec.hash), spec_format=spec.spec_format)

    def samples(self, wanted: Sequence[DagHash]) -> Sequence[bytes]:
        """Return originals that have no form, of so many that they are worth a look."""
        found: list[bytes] = []
        for some in (
            wanted[:: max(1, len(wanted) // _LOOKED_AT)],
            wanted[:: max(1, len(wanted) // _SAMPLES)],
        ):
            originals = list(map(self.original, some))
            found = [
                original
                for one, original in zip(some, originals, strict=True)
                if not self._decoder.is_plain(one, original)
            ]
            if len(found) < len(some) // 4:
                # Nearly all have one: what is left is not worth more.
                found.clear()
                break
        # They were read here and there, and with them whole pages.
        self._let_go()
        return found

    def batches(self, wanted: Sequence[DagHash], compress: Compress) -> Iterator[SpecBatch]:
        """Decode records by batches, in the order of ``wanted``."""
        done = 0
        if self._workers is not None and len(wanted) >= _WORTH_SHARING:
            with suppress(WorkersLost):  # what they left undone is decoded here
                for batch in self._shared(self._workers, wanted, compress):
                    done += len(batch) + len(batch.rejected)
                    yield batch
        for some in batches(wanted[done:]):
            yield self._decoder.batch(some, [self._others.node(one) for one in some], compress)
            self._let_go()

    def _shared(
        self, workers: RecordWorkers, wanted: Sequence[DagHash], compress: Compress
    ) -> Iterator[SpecBatch]:
        places = [self._records.places(some) for some in batches(wanted, _SHARED_BATCH)]
        known = [some for some in places if some is not None]
        if len(known) < len(places):
            return
        for batch, dropped in workers.decode(
            known, document_format=self._format, compress=compress, answer=self._answer
        ):
            self._dropped_by_workers += dropped
            # Versions of compilers were read here and there, and with them whole pages.
            self._let_go()
            yield batch

    def _answer(self, question: Question) -> str | None:
        if question.kind == "version":
            return self._others.version_of(question.value)
        return self._others.resolve_old_hash(question.kind, question.value)

    def _let_go(self) -> None:
        if self._release is not None:
            self._release()

    def __iter__(self) -> Iterator[DagHash]:
        return iter(self._presence)

    def __len__(self) -> int:
        return len(self._presence)
