"""What is written once for a virtual mirror at one state of the catalogue: a folder that never changes.

::

    facts.json        what is said of it; written last, and the folder is moved to its place as a whole
    v3.json, v2.json  the index of each layout that is served
    v3.bin, v2.bin    32 bytes of hash and 4 of the source's key for each spec that is present in the layout, sorted
    left-out.bin      32 bytes of hash and 32 of a hash that it lacks, sorted

The tables are searched in the file, mapped, so that all processes of a server share them.
"""

import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec

from cachescope.model.errors import CatalogueUnusable, NotInCatalogue
from cachescope.model.identity import DAG_HASH_LENGTH, DagHash, Digest
from cachescope.model.mirror import Layout
from cachescope.model.virtual import LackingSpec

__all__ = ["Facts", "IndexFacts", "WrittenMirror", "read_written", "write_table"]

_FACTS = "facts.json"
_KEY_BYTES = 4


class IndexFacts(msgspec.Struct, frozen=True):
    """One index, as it is stored."""

    layout: Layout
    version: str
    size: int
    sha256: str

    @property
    def digest(self) -> Digest:
        """The digest of its bytes."""
        return Digest("sha256", self.sha256)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a virtual mirror without looking at the catalogue again. Holds no address: they may hold passwords."""

    definition: str
    """A digest of what is defined."""

    present: int
    mentioned: int
    packages: int
    left_out: int
    lacking: list[LackingSpec]
    absent: list[DagHash]
    gives: dict[str, int]
    """How many specs each source gives, by its key."""

    indexes: list[IndexFacts]
    written_at: datetime


@dataclass(frozen=True)
class WrittenMirror:
    """The folder, read."""

    folder: Path
    facts: Facts

    def index_file(self, layout: Layout) -> Path:
        """Return the index of a layout."""
        return self.folder / f"{layout}.json"

    def index(self, layout: Layout) -> IndexFacts | None:
        """Return what is stored of the index of a layout; None where that is not served."""
        return next((one for one in self.facts.indexes if one.layout == layout), None)

    def source_of(self, dag_hash: DagHash, layout: Layout) -> int | None:
        """Return the key of the source that gives a spec in a layout; None for one that is not present there."""
        table = self._given.get(layout)
        found = table.find(dag_hash) if table is not None else None
        return int.from_bytes(found, "big") if found is not None else None

    def given(self, order: Mapping[int, int]) -> Mapping[DagHash, int]:
        """Return the key of the source that gives each present spec: of two layouts that of the first source.

        ``order`` is the place of each source, by its key.
        """
        found: dict[DagHash, int] = {}
        for table in self._given.values():
            for dag_hash, value in table.rows():
                known, source = DagHash(dag_hash.decode()), int.from_bytes(value, "big")
                if known not in found or order[source] < order[found[known]]:
                    found[known] = source
        return found

    def lacks(self, dag_hash: DagHash) -> DagHash | None:
        """Return what a spec lacks that is left out; None for any other."""
        found = self._left_out.find(dag_hash)
        return DagHash(found.decode()) if found is not None else None

    @cached_property
    def _given(self) -> "Mapping[Layout, _Table]":
        return {
            one.layout: _Table(_given_file(self.folder, one.layout), _KEY_BYTES) for one in self.facts.indexes
        }

    @cached_property
    def _left_out(self) -> "_Table":
        return _Table(self.folder / "left-out.bin", DAG_HASH_LENGTH)


class _Table:
    """A sorted file of rows of one length, searched by hash."""

    def __init__(self, file: Path, width: int) -> None:
        self._row = DAG_HASH_LENGTH + width
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotInCatalogue(
                "the mirror was removed a moment ago", hint="cachescope virtual list"
            ) from error
        try:
            size = os.fstat(descriptor).st_size
            # An empty file cannot be mapped.
            self._data = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b""
        finally:
            os.close(descriptor)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all rows: a hash, and what stands with it."""
        for start in range(0, len(self._data), self._row):
            row = self._data[start : start + self._row]
            yield row[:DAG_HASH_LENGTH], row[DAG_HASH_LENGTH:]

    def find(self, dag_hash: DagHash) -> bytes | None:
        wanted = dag_hash.encode()
        low, high = 0, len(self._data) // self._row
        while low < high:
            middle = (low + high) // 2
            start = middle * self._row
            found = self._data[start : start + DAG_HASH_LENGTH]
            if found == wanted:
                return self._data[start + DAG_HASH_LENGTH : start + self._row]
            if found < wanted:
                low = middle + 1
            else:
                high = middle
        return None


def write_table(file: Path, rows: Iterable[tuple[str, bytes]]) -> None:
    """Write rows that are sorted by their hashes."""
    with file.open("wb") as out:
        for dag_hash, value in rows:
            out.write(dag_hash.encode() + value)


def _given_file(folder: Path, layout: Layout) -> Path:
    return folder / f"{layout}.bin"


def write_given(folder: Path, layout: Layout, rows: Iterable[tuple[str, int]]) -> None:
    """Write which source gives each spec that is present in a layout."""
    write_table(
        _given_file(folder, layout), ((one, source.to_bytes(_KEY_BYTES, "big")) for one, source in rows)
    )


def write_left_out(folder: Path, rows: Iterable[tuple[str, str]]) -> None:
    """Write what each spec lacks that is left out."""
    write_table(folder / "left-out.bin", ((one, lacks.encode()) for one, lacks in rows))


def write_facts(folder: Path, facts: Facts) -> None:
    """Write what is said of the mirror."""
    (folder / _FACTS).write_bytes(msgspec.json.encode(facts))


def read_written(folder: Path) -> WrittenMirror | None:
    """Read a folder; None where there is none. Raises ``CatalogueUnusable`` for one that somebody changed."""
    try:
        data = (folder / _FACTS).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CatalogueUnusable(
            f"what was written for virtual mirrors cannot be read: {error.strerror}",
            where=str(folder),
            hint="virtual_folder is its setting",
        ) from error
    try:
        return WrittenMirror(folder, msgspec.json.decode(data, type=Facts))
    except msgspec.DecodeError as error:
        raise CatalogueUnusable(
            f"what was written for a virtual mirror is damaged: {error}",
            where=str(folder),
            hint="delete that folder: it is written anew",
        ) from error
