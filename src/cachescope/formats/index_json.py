"""The index document of a mirror (``database``), versions 5 to 8.

::

    {"database":{"version":"8","installs":{"<hash>":{"spec":{...node...},"ref_count":1,"in_buildcache":true}}}}

Written by Spack 0.15 (5), 0.17 to 0.20 (6), 0.21 to 0.23 (7), 1.0 and newer (8); source: Spack 1.2
``database.Database``. An index lists the whole closure of what a mirror holds: only records with ``in_buildcache``
are present, the others are mentioned; version 5 does not say.

The document is split once, without decoding the nodes; a node is decoded when it is asked for.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec

from cachescope.formats.dag_hash import verify_record
from cachescope.formats.decoding import below, decoding, describe
from cachescope.formats.node_json import NodeDecoder
from cachescope.model.errors import MalformedDocument, MalformedRecord, UnsupportedVersion
from cachescope.model.identity import DagHash, is_hash_text
from cachescope.model.record import IndexHeader, Presence, Verification
from cachescope.model.spec import ConcreteSpec

__all__ = ["NEWEST_INDEX_VERSION", "IndexDocument", "open_index"]

NEWEST_INDEX_VERSION = 8

_FORMAT_OF_INDEX = {"0.9.3": 1, "5": 1, "6": 3, "7": 4, "8": 5}
"""Spec format in which an index of that version holds its nodes; 8 annotates nodes that are older."""

_LAST_WITHOUT_PRESENCE = 5
_HINT = "the file may be truncated or half-written; 'spack buildcache update-index' writes it anew"


class _RecordWire(msgspec.Struct):
    spec: msgspec.Raw
    in_buildcache: bool = False


class _DatabaseWire(msgspec.Struct):
    version: str
    installs: dict[str, _RecordWire]


class _DocumentWire(msgspec.Struct):
    database: _DatabaseWire


class _RawDatabaseWire(msgspec.Struct):
    version: str
    installs: dict[str, msgspec.Raw]


class _RawDocumentWire(msgspec.Struct):
    database: _RawDatabaseWire


class _VersionWire(msgspec.Struct):
    version: str


class _VersionDocumentWire(msgspec.Struct):
    database: _VersionWire


class _OldHashesWire(msgspec.Struct):
    build_hash: str = ""
    full_hash: str = ""


_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SHOWN = 80


def open_index(data: memoryview) -> "IndexDocument":
    """Split an index document.

    Raises ``UnsupportedVersion`` for a version above 8 and ``MalformedDocument`` for anything that is no index.
    Bytes after the first JSON value are accepted with a warning, as Spack accepts them.
    """
    warnings: tuple[str, ...] = ()
    try:
        return _split(data, warnings)
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


def _split(data: memoryview, warnings: tuple[str, ...]) -> "IndexDocument":
    database = msgspec.json.decode(data, type=_DocumentWire).database
    return IndexDocument(database.version, database.installs, [], warnings)


def _split_coarsely(data: memoryview, warnings: tuple[str, ...]) -> "IndexDocument":
    database = msgspec.json.decode(data, type=_RawDocumentWire).database
    decoder = msgspec.json.Decoder(_RecordWire)
    records: dict[str, _RecordWire] = {}
    rejected: list[MalformedRecord] = []
    for key, raw in database.installs.items():
        try:
            records[key] = decoder.decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            problem, path = describe(error)
            rejected.append(MalformedRecord(problem, where=below(_where(key), path)))
    return IndexDocument(database.version, records, rejected, warnings)


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


def _where(key: str) -> str:
    return f"database.installs[{key}]"


class IndexDocument:
    """A split index; fulfils ``SpecRecords``. Holds slices of the buffer that it was opened on."""

    def __init__(
        self,
        version: str,
        records: dict[str, _RecordWire],
        rejected: list[MalformedRecord],
        warnings: tuple[str, ...],
    ) -> None:
        self._format = _format_of(version)
        number = _LAST_WITHOUT_PRESENCE if version == "0.9.3" else int(version)
        self._header = IndexHeader(version=number, warnings=warnings)
        self._records = records
        self._rejected = rejected
        self._presence = self._read_presence()
        self._old_hashes: dict[tuple[str, str], str] | None = None
        self._decoder = NodeDecoder(
            hashes=records, version_of=self._version_of, resolve=self._resolve_old_hash
        )
        self._version_decoder = msgspec.json.Decoder(_VersionWire)
        self._versions: dict[str, str] = {}

    def _read_presence(self) -> dict[DagHash, Presence]:
        bad = [key for key in self._records if not is_hash_text(key)]
        for key in bad:
            del self._records[key]
            self._rejected.append(
                MalformedRecord(
                    f"{key[:_SHOWN]!r} is not a DAG hash (32 characters out of a-z and 2-7)",
                    where="database.installs",
                )
            )
        if self._header.version == _LAST_WITHOUT_PRESENCE:
            return {DagHash(key): Presence.UNSTATED for key in self._records}
        return {
            DagHash(key): Presence.PRESENT if record.in_buildcache else Presence.MENTIONED
            for key, record in self._records.items()
        }

    @property
    def header(self) -> IndexHeader:
        """Version of the index and warnings so far."""
        if not self._decoder.dropped_edges:
            return self._header
        dropped = f"{self._decoder.dropped_edges} dependencies point to hashes that no record has"
        return replace(self._header, warnings=(*self._header.warnings, dropped))

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
        return self._decoder.decode(
            dag_hash,
            self._records[dag_hash].spec,
            document_format=self._format,
            where=f"{_where(dag_hash)}.spec",
        )

    def original(self, dag_hash: DagHash) -> bytes:
        """Return the node's JSON as it stands in the index."""
        return bytes(self._records[dag_hash].spec)

    def verification(self, spec: ConcreteSpec) -> Verification:
        """Recompute the hash of a decoded record."""
        return verify_record(spec.hash, self.original(spec.hash), spec_format=spec.spec_format)

    def __iter__(self) -> Iterator[DagHash]:
        return iter(self._presence)

    def __len__(self) -> int:
        return len(self._presence)

    def _version_of(self, dag_hash: str) -> str:
        """Return the version of a record, for the compilers that others name by hash: few, so remembered."""
        known = self._versions.get(dag_hash)
        if known is None:
            known = ""
            record = self._records.get(dag_hash)
            if record is not None:
                try:
                    known = self._version_decoder.decode(record.spec).version
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    known = ""  # that record is reported by itself; here only its version is not known
            self._versions[dag_hash] = known
        return known

    def _resolve_old_hash(self, kind: str, value: str) -> str | None:
        """Find the record whose ``build_hash`` or ``full_hash`` this is (Spack 0.17 linked nodes by these)."""
        if self._old_hashes is None:
            self._old_hashes = {}
            decoder = msgspec.json.Decoder(_OldHashesWire)
            for key, record in self._records.items():
                try:
                    wire = decoder.decode(record.spec)
                except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                    continue  # reported when its own turn comes
                self._old_hashes["build_hash", wire.build_hash] = key
                self._old_hashes["full_hash", wire.full_hash] = key
        return self._old_hashes.get((kind, value))
