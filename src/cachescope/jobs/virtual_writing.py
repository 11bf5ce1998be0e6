"""Writes what a virtual mirror is served from: once for each state of the catalogue, by one process of all.

The index is written record by record, and its digest is taken on the way: memory holds keys and hashes, never an index.
"""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection

from cachescope.catalogue.engine import Catalogue
from cachescope.catalogue.originals import RecordReader
from cachescope.catalogue.virtual_facts import binaries, lacking_specs, package_count
from cachescope.catalogue.virtual_selection import SelectedIndex, Selection, select_virtual
from cachescope.catalogue.virtual_sources import sources_of_virtual, state_of_virtual
from cachescope.formats.index_writing import index_end, index_record, index_start
from cachescope.jobs.virtual_files import (
    Facts,
    IndexFacts,
    WrittenMirror,
    read_written,
    write_facts,
    write_given,
    write_left_out,
)
from cachescope.jobs.virtual_pruning import (
    locked,
    note_use,
    prune_homes,
    remove_home,
    remove_old_states,
    states,
)
from cachescope.model.errors import CatalogueUnusable, UserInputError
from cachescope.model.hosts import Host
from cachescope.model.virtual import VirtualMirror, VirtualSource
from cachescope.query.hosts import parse_host

__all__ = ["Current", "VirtualWriter"]

_LOG = logging.getLogger("cachescope.virtual")
_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class Current:
    """A virtual mirror as it is now: its sources, and what is written of it."""

    mirror: VirtualMirror
    sources: Sequence[VirtualSource]
    written: WrittenMirror
    older: Sequence[Path]
    """Folders of earlier states, newest first."""

    is_newest: bool = True
    """False for the state before, which serves while the one of now is written, or cannot be."""

    @property
    def home(self) -> Path:
        """The folder of all its states."""
        return self.written.folder.parent


class VirtualWriter:
    """Gives what is written for virtual mirrors, and writes it where it is not. Safe over threads and processes."""

    def __init__(self, catalogue: Catalogue, folder: Path, *, now: Callable[[], datetime]) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._now = now
        self._guard = Lock()
        self._locks: dict[str, Lock] = {}

    def standing(self, mirror: VirtualMirror) -> Current | None:
        """Return the mirror as it is now, if that is written; None where ``current`` would write. 2 statements.

        While another thread writes, it is the mirror as it was before. Raises ``NotInCatalogue``.
        """
        home = self._home(mirror.name)
        with self._catalogue.reading() as connection:
            sources, state = self._state(connection, mirror)
        written = read_written(home / state)
        if written is None and self._is_writing(mirror):
            written = self._before(mirror, home, sources)
        return self._current(mirror, home / state, sources, written) if written is not None else None

    def current(self, mirror: VirtualMirror) -> Current:
        """Return the mirror as it is now; writes it first if the catalogue changed. 2 statements if not.

        Of several threads that ask meanwhile one writes, and the others are given the state before, if there is one.

        Raises ``NotInCatalogue`` for sources that are not there, and ``CatalogueUnusable`` for a folder that cannot be
        written.
        """
        home = self._home(mirror.name)
        with self._catalogue.reading() as connection:
            sources, state = self._state(connection, mirror)
        written = read_written(home / state)
        if written is None:
            try:
                written = self._awaited(mirror, home, sources)
            except CatalogueUnusable as error:
                # A full disk: what was written before is whole, and of the same definition.
                written = self._before(mirror, home, sources)
                if written is None:
                    raise
                _LOG.warning("%s is served as it was before the last sync: %s", mirror.name, error)
        return self._current(mirror, home / state, sources, written)

    @staticmethod
    def _current(
        mirror: VirtualMirror, newest: Path, sources: Sequence[VirtualSource], written: WrittenMirror
    ) -> Current:
        home = newest.parent
        note_use(home)
        older = [one for one in states(home) if one != written.folder]
        return Current(mirror, sources, written, older, is_newest=written.folder == newest)

    def forget(self, name: str) -> None:
        """Remove what is written for a mirror that is no longer defined. Who reads it at this moment goes on."""
        remove_home(self._home(name))

    def _is_writing(self, mirror: VirtualMirror) -> bool:
        with self._guard:
            lock = self._locks.get(mirror.name)
        return lock is not None and lock.locked()

    def _awaited(self, mirror: VirtualMirror, home: Path, sources: Sequence[VirtualSource]) -> WrittenMirror:
        """Write the newest state; while another thread does that, the one before serves."""
        with self._guard:
            lock = self._locks.setdefault(mirror.name, Lock())
        if not lock.acquire(blocking=False):
            written = self._before(mirror, home, sources)
            if written is not None:
                return written
            lock.acquire()
        try:
            with _writable(home), locked(home), self._catalogue.reading() as connection:
                # Another process may have written it meanwhile, or the catalogue may be at a newer state.
                sources, state = self._state(connection, mirror)
                written = read_written(home / state) or self._write(connection, mirror, sources, home / state)
                remove_old_states(home, keep=home / state)
            note_use(home)
            with suppress(OSError):
                prune_homes(self._folder, keep=home)
            return written
        finally:
            lock.release()

    @staticmethod
    def _before(mirror: VirtualMirror, home: Path, sources: Sequence[VirtualSource]) -> WrittenMirror | None:
        """Return the newest state that is written of this definition."""
        definition = _definition(mirror, {one.id for one in sources})
        found = (read_written(folder) for folder in states(home))
        return next((one for one in found if one is not None and one.facts.definition == definition), None)

    def _state(self, connection: Connection, mirror: VirtualMirror) -> tuple[Sequence[VirtualSource], str]:
        sources = sources_of_virtual(connection, mirror)
        shown = self._catalogue.database.shown
        return sources, state_of_virtual(connection, mirror, sources, catalogue=shown)

    def _home(self, name: str) -> Path:
        """Return the folder of a mirror: of its name a digest, so that no name can lead anywhere else."""
        text = f"{self._catalogue.database.shown}\n{name}"
        return self._folder / hashlib.sha256(text.encode()).hexdigest()[:32]

    def _write(
        self, connection: Connection, mirror: VirtualMirror, sources: Sequence[VirtualSource], target: Path
    ) -> WrittenMirror:
        selection = select_virtual(connection, mirror, sources, host=host_of(mirror))
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix="new-"))
        try:
            temporary.chmod(0o755)
            facts = self._written_into(connection, mirror, selection, temporary)
            write_facts(temporary, facts)
            temporary.rename(target)
        except BaseException:  # also for Ctrl-C
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return WrittenMirror(target, facts)

    def _written_into(
        self, connection: Connection, mirror: VirtualMirror, selection: Selection, folder: Path
    ) -> Facts:
        indexes = [_write_index(connection, one, folder) for one in selection.indexes]
        hashes = {key: dag_hash for one in selection.indexes for dag_hash, key in one.hashes}
        for one in selection.indexes:
            rows = ((hashes[key], source) for key, source in one.given.items())
            write_given(folder, one.layout, sorted(rows))
        lacking = {*selection.left_out, *selection.left_out.values()}
        known = {key: one.hash for key, one in binaries(connection, lacking).items()}
        write_left_out(folder, sorted((known[key], known[one]) for key, one in selection.left_out.items()))
        return Facts(
            definition=_definition(mirror, {one.id for one in selection.sources}),
            present=len(selection.present),
            mentioned=len(hashes) - len(selection.present),
            packages=package_count(connection, selection.present),
            left_out=len(selection.left_out),
            lacking=list(lacking_specs(connection, selection)),
            absent=list(selection.absent),
            gives={str(one.id): one.gives for one in selection.sources},
            indexes=indexes,
            written_at=self._now(),
        )


def _definition(mirror: VirtualMirror, sources: set[int]) -> str:
    """Return a text that is another one for another definition, or for sources that are others now."""
    parts = repr((mirror.filter, mirror.host, mirror.incomplete, mirror.lock, sorted(sources)))
    return hashlib.sha256(parts.encode()).hexdigest()


def host_of(mirror: VirtualMirror) -> Host | None:
    """Return the host of a mirror; None for any."""
    return parse_host(mirror.host, detect=_no_detection) if mirror.host else None


def _no_detection() -> Host:
    raise UserInputError(
        "a virtual mirror names its host", hint="for example os=ubuntu22.04,target=zen3,glibc=2.35"
    )


def _write_index(connection: Connection, index: SelectedIndex, folder: Path) -> IndexFacts:
    digest, size = hashlib.sha256(), 0
    with (folder / f"{index.layout}.json").open("wb") as file:
        for piece in _pieces(connection, index):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return IndexFacts(index.layout, index.version, size, digest.hexdigest())


def _pieces(connection: Connection, index: SelectedIndex) -> Iterator[bytes]:
    reader = RecordReader(connection)
    version = int(index.version)
    yield index_start(index.version)
    for start in range(0, len(index.hashes), _RECORDS):
        some = index.hashes[start : start + _RECORDS]
        records = reader.read([key for _, key in some])
        yield b"".join(
            index_record(
                dag_hash,
                records[key],
                version=version,
                ref_count=index.dependents.get(key, 0),
                in_buildcache=key in index.given,
                first=place == 0,
            )
            for place, (dag_hash, key) in enumerate(some, start)
        )
    yield index_end()


@contextmanager
def _writable(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise CatalogueUnusable(
            f"nothing can be written for virtual mirrors: {error.strerror}",
            where=str(home),
            hint="virtual_folder is its setting: a folder with room for the indexes",
        ) from error
